"""What a trained model is afterwards: vectors of rows, and a folder that reads as it does."""

import numpy as np
import pytest

from datasel_assets.models.train.training import RowTraining, evaluate
from datasel_assets_tests.models.train.test_training import ROWS, opened


def test_a_row_has_the_mean_of_its_last_states_whatever_stands_beside_it_on_a_line(tiny_model):
    model = opened(tiny_model("llama"))
    texts = model.texts([*ROWS[:5], [{"role": "user", "content": "how many"}]])
    together = model.vectors(texts)
    model.shared = False
    np.testing.assert_allclose(model.vectors(texts), together, rtol=1e-3, atol=1e-5)
    assert (np.linalg.norm(together, axis=1) > 0).tolist() == [True] * 5 + [False]
    assert np.abs(together[0] - together[1]).max() > 1e-3


@pytest.mark.parametrize("weights", ["full", "lora"])
def test_a_published_model_reads_as_the_trained_one_does(tiny_model, tmp_path, weights):
    if weights == "lora":
        pytest.importorskip("peft")
    model = opened(tiny_model("llama"), weights=weights, learning_rate=1e-2)
    RowTraining(model, model.texts(ROWS), 2).run()
    expected = evaluate(model, model.texts(ROWS)).values["loss"]
    model.publish(tmp_path / "kept")
    again = opened(str(tmp_path / "kept"))
    np.testing.assert_allclose(evaluate(again, again.texts(ROWS)).values["loss"], expected, rtol=1e-4)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kept"]
