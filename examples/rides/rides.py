"""Bring your own: an event type and the model that answers it. Copy this folder, change both."""

from schemas import Event


class Ride(Event, frozen=True, kw_only=True):
    """One ride of a bicycle; `source_id` (the record's key) names the bicycle."""

    meters: float
    seconds: float


class Speed:
    """Answers each ride with its mean speed; no answer where it took no time."""

    event_type = Ride

    def __init__(self, fast_kmh: float = 25.0) -> None:
        self.fast_kmh = fast_kmh

    def predict_batch(self, rides):
        """Answer B rides, in order."""
        return [self._answer(ride) if ride.seconds > 0 else None for ride in rides]

    def _answer(self, ride):
        kmh = 3.6 * ride.meters / ride.seconds
        return {"kmh": round(kmh, 1), "is_fast": kmh > self.fast_kmh}
