from tests.models.nlu.conftest import tiny_bert

__all__ = ["tiny_bert"]
