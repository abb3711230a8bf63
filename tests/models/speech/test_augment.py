import numpy as np

from models.speech.augment import colored_noise, vary_features, vary_sound

SOUND = (9000 * np.sin(np.arange(16_000) * 0.2)).astype(np.int16)


def test_the_same_chance_gives_the_same_sound_and_another_another() -> None:
    one, same, other = (vary_sound(SOUND, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(one, same)
    assert len(one) != len(other)
    assert one.dtype == np.float32
    assert np.abs(one).max() <= 1
    assert len(SOUND) / 1.2 + 0.5 * 16_000 - 1 < len(one) < len(SOUND) / 0.86 + 1.4 * 16_000


def test_noise_has_power_one_and_a_falling_spectrum() -> None:
    for seed in range(4):
        noise = colored_noise(5000, np.random.default_rng(seed))
        assert len(noise) == 5000
        assert abs(float(np.square(noise).mean()) - 1) < 0.01
    spectra = [
        np.abs(np.fft.rfft(colored_noise(8192, np.random.default_rng(seed)))) for seed in range(40)
    ]
    mean = np.mean(spectra, axis=0)
    assert mean[50:200].mean() > 1.5 * mean[3000:].mean()


def test_masks_are_mild() -> None:
    shares = []
    for seed in range(50):
        curve, mask = vary_features(200, np.random.default_rng(seed))
        assert curve.shape == (80,)
        assert set(np.unique(mask)) <= {0.0, 1.0}
        shares.append(1 - mask.mean())
    assert 0.02 < np.mean(shares) < 0.3
