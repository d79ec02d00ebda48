import pytest

from datasel_assets.models.pooling import pool, token_weights

torch = pytest.importorskip("torch")

POOLINGS = ("weighted_mean", "mean", "last", "cls")


def mask(*rows: str) -> torch.Tensor:
    return torch.tensor([[c == "1" for c in row] for row in rows])


def test_three_tokens_weigh_one_two_and_three_sixths():
    torch.testing.assert_close(
        token_weights(mask("111"), "weighted_mean"), torch.tensor([[1 / 6, 2 / 6, 3 / 6]]), rtol=0, atol=0
    )


@pytest.mark.parametrize("pooling", POOLINGS)
def test_a_single_token_is_returned_as_it_is(pooling):
    state = torch.randn(1, 1, 8)
    assert torch.equal(pool(state, token_weights(mask("1"), pooling), padded=False), state[:, 0])


@pytest.mark.parametrize("pooling", POOLINGS)
def test_padding_on_either_side_changes_nothing(pooling):
    generator = torch.Generator().manual_seed(0)
    state = torch.randn(1, 3, 8, generator=generator)
    junk = torch.full((1, 2, 8), float("inf"))
    alone = pool(state, token_weights(mask("111"), pooling), padded=False)
    right = pool(torch.cat([state, junk], 1), token_weights(mask("11100"), pooling), padded=True)
    left = pool(torch.cat([junk, state], 1), token_weights(mask("00111"), pooling), padded=True)
    both = pool(torch.cat([junk, state, junk], 1), token_weights(mask("0011100"), pooling), padded=True)
    assert torch.equal(alone, right)
    assert torch.equal(alone, left)
    assert torch.equal(alone, both)


@pytest.mark.parametrize("pooling", POOLINGS)
def test_the_weights_of_a_row_sum_to_one_and_those_of_an_empty_row_to_zero(pooling):
    sums = token_weights(mask("1111", "0110", "0001", "0000"), pooling).sum(1)
    torch.testing.assert_close(sums, torch.tensor([1.0, 1.0, 1.0, 0.0]))


def test_last_and_cls_pick_the_outer_real_tokens():
    states = torch.arange(4.0).reshape(1, 4, 1)
    assert pool(states, token_weights(mask("0110"), "last"), padded=True).item() == 2
    assert pool(states, token_weights(mask("0110"), "cls"), padded=True).item() == 1


def test_half_precision_states_are_summed_in_float32():
    states = torch.full((1, 5000, 1), 1.0, dtype=torch.bfloat16)
    pooled = pool(states, torch.ones(1, 5000), padded=False)
    assert pooled.dtype == torch.float32
    assert pooled.item() == 5000  # bfloat16 would stop at 256


def test_an_unknown_pooling_is_refused():
    with pytest.raises(ValueError, match="weighted_mean, mean, last or cls"):
        token_weights(mask("1"), "max")
