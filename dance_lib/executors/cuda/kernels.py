"""The Triton kernels: a convolution over listed rows and channels, what lists them, and statistics.

With TRITON_INTERPRET=1 set before Triton is imported they run on the CPU, on tensors there.
"""

import triton
import triton.language as tl

GROUP = 8  # channels listed and computed together: in half precision 16 bytes, one load of a thread
_GROUP = tl.constexpr(GROUP)
INTERPRETED: bool = triton.knobs.runtime.interpret


def _config(m: int, n: int, k: int, warps: int, stages: int) -> triton.Config:
    return triton.Config({"M": m, "N": n, "K": k}, num_warps=warps, num_stages=stages)


# Rows, outputs and inputs of a tile. The interpreter takes as long for a large one as for a small.
CONFIGS = (
    [_config(512, 64, 64, 4, 1)]
    if INTERPRETED
    else [
        _config(128, 128, 64, 8, 3),
        _config(128, 128, 64, 8, 4),
        _config(128, 64, 64, 4, 4),
        _config(128, 32, 64, 4, 4),
        _config(64, 128, 64, 4, 4),
        _config(64, 64, 64, 4, 4),
        _config(64, 32, 64, 4, 5),
        _config(32, 64, 64, 4, 5),
    ]
)


@triton.autotune(
    configs=CONFIGS,  # tried on the plan of the first call, then kept
    key=["oT", "oH", "oW", "inputs", "outputs", "KT", "KH", "KW", "HOLLOW", "LISTED", "ADD"],
    restore_value=["y"],  # trying a sum adds to it
)
@triton.jit
def convolve(
    x, weight, bias, y, bits, lists, counts,
    bits_pitch, lists_pitch, counts_pitch,  # from one clip to the next
    frames_at, places_at, outs_at, ins_at, channels_at, counts_at,  # of this unit, in those
    from_frames, from_places,  # of the unit that `x` is the output of, in `bits`
    T, H, W, oT, oH, oW,  # of input and output
    inputs, outputs,  # groups of eight channels, side by side at each position
    ST, SH, SW, PT, PH, PW, DT, DH, DW,
    KT: tl.constexpr, KH: tl.constexpr, KW: tl.constexpr,
    HOLLOW: tl.constexpr,  # the input was not written where that unit dropped a frame or a place
    LISTED: tl.constexpr,  # the input channels to read are listed; else all
    RELU: tl.constexpr,
    ADD: tl.constexpr,  # add to what stands in `y`
    RELU_SUM: tl.constexpr,
    WIDE: tl.constexpr,  # the interpreter multiplies bfloat16 as if it were whole numbers
    M: tl.constexpr, N: tl.constexpr, K: tl.constexpr,
):  # fmt: skip
    """One tile: M kept rows of one clip × N kept outputs, summed over all taps and kept inputs.

    The grid has a program for every tile of a full plan; those that the plan leaves empty end at
    once. So the host need not know the plan, and one CUDA graph serves all plans.
    """
    out_tiles = (outputs * _GROUP + N - 1) // N
    row_tiles = (oT * oH * oW + M - 1) // M
    tile = tl.program_id(0) // out_tiles  # neighbours read the same rows
    first_out = tl.program_id(0) % out_tiles * N
    first_row = tile % row_tiles * M
    clip = tile // row_tiles
    kept = counts + clip * counts_pitch + counts_at
    n_places = tl.load(kept + 1)
    n_rows = tl.load(kept) * n_places
    n_out = tl.load(kept + 2) * _GROUP
    if (first_row >= n_rows) | (first_out >= n_out):
        return
    listed = lists + clip * lists_pitch
    row = first_row + tl.arange(0, M)
    live = row < n_rows
    t = tl.load(listed + frames_at + row // n_places, mask=live, other=0)
    place = tl.load(listed + places_at + row % n_places, mask=live, other=0)
    first_t, first_h, first_w = t * ST - PT, place // oW * SH - PH, place % oW * SW - PW
    out_at = first_out + tl.arange(0, N)
    out_there = out_at < n_out
    out = tl.load(listed + outs_at + out_at // _GROUP, mask=out_there, other=0) * _GROUP
    out = tl.max_contiguous(tl.multiple_of(out + out_at % _GROUP, _GROUP), _GROUP)

    n_in = inputs * _GROUP
    if LISTED:
        n_in = tl.load(kept + 3) * _GROUP
    k_tiles = (n_in + K - 1) // K
    sums = tl.full((M, N), 0.0, tl.float32)
    for step in range(KT * KH * KW * k_tiles):  # one loop, so that loads run ahead across taps
        tap = step // k_tiles
        in_t = first_t + tap // (KH * KW) * DT
        in_h = first_h + tap // KW % KH * DH
        in_w = first_w + tap % KW * DW
        meets = live & (in_t >= 0) & (in_t < T) & (in_h >= 0) & (in_h < H) & (in_w >= 0)
        meets = meets & (in_w < W)
        if HOLLOW:
            clip_bits = bits + clip * bits_pitch
            meets = meets & (tl.load(clip_bits + from_frames + in_t, mask=meets, other=0) != 0)
            in_place = clip_bits + from_places + in_h * W + in_w
            meets = meets & (tl.load(in_place, mask=meets, other=0) != 0)
        position = (((clip * T + in_t) * H + in_h) * W + in_w).to(tl.int64)
        channel = step % k_tiles * K + tl.arange(0, K)
        there = channel < n_in
        if LISTED:
            group = tl.load(listed + ins_at + channel // _GROUP, mask=there, other=0)
            channel = group * _GROUP + channel % _GROUP
            channel = tl.max_contiguous(tl.multiple_of(channel, _GROUP), _GROUP)
        a = tl.load(
            x + (position * (inputs * _GROUP))[:, None] + channel[None, :],
            mask=meets[:, None] & there[None, :], other=0.0,
        )  # fmt: skip
        b = tl.load(
            weight + (tap * inputs * _GROUP + channel)[:, None] * (outputs * _GROUP) + out[None, :],
            mask=there[:, None] & out_there[None, :], other=0.0,
        )  # fmt: skip
        if WIDE:
            a, b = a.to(tl.float32), b.to(tl.float32)
        sums = tl.dot(a, b, sums, input_precision="ieee")

    sums += tl.load(bias + out, mask=out_there, other=0.0)[None, :]
    if RELU:
        sums = tl.maximum(sums, 0.0)
    keep = tl.load(bits + clip * bits_pitch + channels_at + out, mask=out_there, other=0)
    sums = tl.where((keep != 0)[None, :], sums, 0.0)  # of a group just some may be kept
    to = ((clip * oT + t) * (oH * oW) + place).to(tl.int64) * (outputs * _GROUP)
    at = y + to[:, None] + out[None, :]
    stored = live[:, None] & out_there[None, :]
    if ADD:
        sums += tl.load(at, mask=stored, other=0.0).to(tl.float32)
    if RELU_SUM:
        sums = tl.maximum(sums, 0.0)
    tl.store(at, sums.to(y.dtype.element_ty), mask=stored)


@triton.jit
def compact(
    flags, lists, counts, starts, lengths, pitch, segments, longest,
    SEGMENTS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """List where some segments of a clip's flags (clips, pitch) are set, at their starts; count."""
    clip = tl.program_id(0)
    segment = tl.program_id(1) * SEGMENTS + tl.arange(0, SEGMENTS)
    there = segment < segments
    first = clip * pitch + tl.load(starts + segment, mask=there, other=0)
    length = tl.load(lengths + segment, mask=there, other=0)
    found = tl.full((SEGMENTS,), 0, tl.int32)
    for start in range(0, longest, BLOCK):
        at = (start + tl.arange(0, BLOCK))[None, :]
        flag = tl.load(flags + first[:, None] + at, mask=at < length[:, None], other=0)
        flag = (flag != 0).to(tl.int32)
        slot = (first + found)[:, None] + tl.cumsum(flag, 1) - 1
        tl.store(lists + slot, at + tl.full((SEGMENTS, BLOCK), 0, tl.int32), mask=flag != 0)
        found += tl.sum(flag, 1)
    tl.store(counts + clip * segments + segment, found, mask=there)


@triton.jit
def summarise(
    x, channel_sums, moved, places, T, P, groups, C, blocks,
    CHANNELS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Sums of one frame's places: what statistics of the stem's output are made of, in one pass.

    Writes channel_sums (N, T, blocks, 4, C): of values, squares, zeros, and |next − this|; and
    sums over channels, moved (N, T, P) and places (N, T, P).
    """
    frame, block = tl.program_id(0), tl.program_id(1)
    place, channel = block * BLOCK + tl.arange(0, BLOCK), tl.arange(0, CHANNELS)
    here = (place < P)[:, None] & (channel < C)[None, :]
    position = frame.to(tl.int64) * P + place
    at = x + (position * (groups * _GROUP))[:, None] + channel[None, :]
    values = tl.load(at, mask=here, other=0.0).to(tl.float32)
    moves = here & (frame % T + 1 < T)
    at_next = x + ((position + P) * (groups * _GROUP))[:, None] + channel[None, :]
    following = tl.load(at_next, mask=moves, other=0.0).to(tl.float32)
    motion = tl.where(moves, tl.abs(following - values), 0.0)
    to = channel_sums + (frame * blocks + block) * 4 * C + channel
    tl.store(to, tl.sum(values, 0), mask=channel < C)
    tl.store(to + C, tl.sum(values * values, 0), mask=channel < C)
    tl.store(to + 2 * C, tl.sum((here & (values == 0)).to(tl.float32), 0), mask=channel < C)
    tl.store(to + 3 * C, tl.sum(motion, 0), mask=channel < C)
    tl.store(moved + position, tl.sum(motion, 1), mask=place < P)
    tl.store(places + position, tl.sum(values, 1), mask=place < P)
