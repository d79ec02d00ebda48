"""float16 to float32 by integer arithmetic, several times as fast as numpy's own cast on most builds.

Belongs here: this one conversion. Does not: anything that knows what the numbers mean.
"""

import numpy as np

_REBIAS = np.float32(2.0**112)
_KEEP = np.int32(-0x70000001)  # every bit but the three that sign extension smears under the sign


def float16_to_float32(source: np.ndarray, out: np.ndarray) -> np.ndarray:
    """Widen ``source`` into ``out`` exactly and return ``out``.

    A half has 1 + 5 + 10 bits (sign, exponent with bias 15, fraction), a float 1 + 8 + 23 (bias 127). Moving the bits
    left by 13 puts the fraction and exponent in place with a bias that is off by 112; the multiplication by 2**112
    repairs it, subnormal halves included. Infinite and NaN halves need numpy's cast, which then takes the whole array.

    Args:
        source: float16, any shape.
        out: float32, the same shape, C-contiguous.
    """
    if not source.dtype.isnative or not source.flags.c_contiguous:
        np.copyto(out, source)
        return out
    bits = source.view(np.int16)
    if source.size and int(np.bitwise_and(bits, np.int16(0x7FFF)).max()) >= 0x7C00:
        np.copyto(out, source)
        return out
    wide = out.view(np.int32)
    np.copyto(wide, bits)
    np.left_shift(wide, 13, out=wide)
    np.bitwise_and(wide, _KEEP, out=wide)
    np.multiply(out, _REBIAS, out=out)
    return out
