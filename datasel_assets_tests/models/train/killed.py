"""A training in a process of its own, for the test that kills it: ``python killed.py <model> <checkpoints> <out>``."""

import sys
from pathlib import Path

from datasel_assets.models.train.row_model import RowModel
from datasel_assets.models.train.training import RowTraining
from datasel_assets.specs.causal import CausalSpec
from datasel_assets.specs.training import TrainingSpec

N, EPOCHS = 12, 40


def rows() -> list[list[dict[str, str]]]:
    return [
        [
            {"role": "user", "content": f"how many apples {i}"},
            {"role": "assistant", "content": "fox dog " * (1 + i % 5)},
        ]
        for i in range(N)
    ]


def training(folder: str) -> RowTraining:
    """Dropout on, so that what is random at a step matters."""
    import torch

    spec = CausalSpec(model=folder, max_tokens=48, template="plain", precision="float32")
    how = TrainingSpec(batch_tokens=60, precision="float32", learning_rate=1e-3)
    model = RowModel(spec, how, "cpu")
    assert any(module.p > 0 for module in model.model.modules() if isinstance(module, torch.nn.Dropout))
    return RowTraining(model, model.texts(rows()), EPOCHS, el2n=True)


def main(folder: str, checkpoints: str, out: str) -> None:
    import torch
    from safetensors.torch import save_file

    torch.set_num_threads(1)
    found = training(folder)

    def told(done: int, total: int) -> None:
        Path(out, "step").write_text(f"{done} {total}")

    resumed = found.run(Path(checkpoints), "this one", told, every=7)
    Path(out, "resumed").write_text(str(resumed))
    tensors = {f"weights.{name}": tensor for name, tensor in found._model.trained_state().items()}
    tensors |= {f"trace.{name}": torch.from_numpy(values) for name, values in found.trace.values.items()}
    tensors["losses"] = torch.tensor(found.losses, dtype=torch.float64)
    save_file(tensors, Path(out, "end.safetensors"))


if __name__ == "__main__":
    main(*sys.argv[1:])
