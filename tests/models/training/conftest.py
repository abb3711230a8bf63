from tests.models.nlu.conftest import save_bert, tiny_bert

__all__ = ["save_bert", "tiny_bert"]
