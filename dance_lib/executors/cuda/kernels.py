"""The Triton kernels: a convolution over listed rows and channels, and all that leads up to it.

With TRITON_INTERPRET=1 set before Triton is imported they run on the CPU, on tensors there.
"""

from functools import partial
from typing import Any

import torch
import triton
import triton.language as tl
from triton.testing import do_bench

GROUP = 8  # channels listed and computed together: in half precision 16 bytes, one load of a thread
_GROUP = tl.constexpr(GROUP)
INTERPRETED: bool = triton.knobs.runtime.interpret


def _config(m: int, n: int, k: int, warps: int, stages: int, split: int = 1) -> triton.Config:
    tile = {"M": m, "N": n, "K": k, "SPLIT": split}
    return triton.Config(tile, num_warps=warps, num_stages=stages)


# Rows, outputs and inputs of a tile, and how many programs share its sum. The interpreter takes as
# long for a large one as for a small.
CONFIGS = (
    [_config(512, 64, 64, 4, 1)]
    if INTERPRETED
    else [
        _config(256, 128, 64, 8, 3),
        _config(128, 256, 64, 8, 3),
        _config(128, 128, 64, 8, 3),
        _config(128, 128, 64, 4, 3),
        _config(128, 128, 32, 4, 4),
        _config(128, 64, 64, 4, 3),
        _config(128, 64, 32, 4, 5),
        _config(128, 32, 64, 4, 4),
        _config(64, 128, 64, 4, 4),
        _config(64, 64, 64, 4, 5),
        _config(64, 64, 128, 4, 3),
        _config(64, 32, 128, 4, 4),
        _config(64, 64, 128, 4, 3, 4),
        _config(64, 32, 128, 4, 4, 4),
        _config(64, 32, 128, 4, 4, 8),
    ]
)
# In float32 there are no tensor cores, and each product of a tile is an instruction of its own.
EXACT = () if INTERPRETED else (_config(64, 32, 16, 4, 3), _config(32, 32, 16, 4, 3))
# A sum is shared where its tiles alone would leave much of a GPU idle.
FEW_TILES = 264  # two for each processor of a large one
SHARED = 64 * 64 * 4  # values of a tile in the parts of its sum, at most
ROWS = 1 << 14 if INTERPRETED else 512  # whose neighbours a program looks up


def tiles(tile: dict[str, int], clips: int, rows: int, groups: int) -> int:
    """How many tiles a full plan of so many clips has, of `rows` each and groups of outputs."""
    return clips * triton.cdiv(rows, tile["M"]) * triton.cdiv(groups * GROUP, tile["N"])


def _fitting(
    configs: list[triton.Config], arguments: dict[str, Any], **_: Any
) -> list[triton.Config]:
    """Those for the number format; sums are shared among programs where tiles are few."""
    exact = bool(EXACT) and arguments["x"].dtype == torch.float32
    sizes = [arguments[name] for name in ("clips", "rows", "outputs")]
    return [
        c
        for c in configs
        if (c in EXACT) == exact
        and (c.kwargs["SPLIT"] == 1 or tiles(c.kwargs, *sizes) <= FEW_TILES)
    ]


@triton.jit
def look_up(
    tables, about, jobs, bits, lists, counts,
    bits_pitch, lists_pitch, counts_pitch,  # from one clip to the next
    clips,
    FIELDS: tl.constexpr, JOB: tl.constexpr, ROWS: tl.constexpr,
):  # fmt: skip
    """Which position some kept rows of a unit meet at one tap, -1 for none; see `Neighbours`.

    Looked up once here, so that the product of matrices asks for one number a row, not for a
    window, its edges and what the input holds.
    """
    # A job: unit, tap, its offset in T, H, W, first row. Of a unit: start in `tables`, rows, taps;
    # where its frames, places and counts stand; the frames and places of its source; T, H, W of
    # the input; width of the output; strides.
    job, clip = jobs + tl.program_id(0) * JOB, tl.program_id(1)
    of = about + tl.load(job) * FIELDS
    first = tl.load(job + 5)
    kept = counts + clip * counts_pitch + tl.load(of + 5)
    n_places = tl.load(kept + 1)
    n_rows = tl.load(kept) * n_places
    if first >= n_rows:
        return
    row = first + tl.arange(0, ROWS)
    live = row < n_rows
    listed = lists + clip * lists_pitch
    t = tl.load(listed + tl.load(of + 3) + row // n_places, mask=live, other=0)
    place = tl.load(listed + tl.load(of + 4) + row % n_places, mask=live, other=0)
    T, H, W, width = tl.load(of + 8), tl.load(of + 9), tl.load(of + 10), tl.load(of + 11)
    in_t = t * tl.load(of + 12) + tl.load(job + 2)
    in_h = place // width * tl.load(of + 13) + tl.load(job + 3)
    in_w = place % width * tl.load(of + 14) + tl.load(job + 4)
    meets = live & (in_t >= 0) & (in_t < T) & (in_h >= 0) & (in_h < H) & (in_w >= 0) & (in_w < W)
    from_frames, from_places = tl.load(of + 6), tl.load(of + 7)
    if from_frames >= 0:  # what that unit dropped was not written
        clip_bits = bits + clip * bits_pitch
        meets = meets & (tl.load(clip_bits + from_frames + in_t, mask=meets, other=0) != 0)
        in_place = clip_bits + from_places + in_h * W + in_w
        meets = meets & (tl.load(in_place, mask=meets, other=0) != 0)
    position = ((clip * T + in_t) * H + in_h) * W + in_w
    start, rows, taps = tl.load(of).to(tl.int64), tl.load(of + 1), tl.load(of + 2)
    to = tables + start * clips + (clip * taps + tl.load(job + 1)).to(tl.int64) * rows + row
    tl.store(to, tl.where(meets, position, -1), mask=live)


@triton.jit
def enter(
    clip, scale, shift, y, bad,
    C, T, H, W, oH, oW, SH, SW, PH, PW, pitch,
    CHANNELS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Clips (N, C, T, H, W) -> normalised (N, T, oH, oW, pitch): SH × SW pixels a position, behind
    PH rows and PW columns of zeros; see `Entry`. `bad` (N·T, programs): whether one is not finite.
    """
    frame = tl.program_id(0)
    place = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    channel = tl.arange(0, CHANNELS)
    part, colour = channel // C, channel % C
    h = ((place // oW - PH) * SH)[:, None] + (part // SW)[None, :]
    w = ((place % oW - PW) * SW)[:, None] + (part % SW)[None, :]
    there = (place < oH * oW)[:, None] & (channel < C * SH * SW)[None, :]
    there = there & (h >= 0) & (h < H) & (w >= 0) & (w < W)
    maps = ((frame // T * C + colour) * T + frame % T).to(tl.int64)
    pixels = tl.load(clip + (maps * (H * W))[None, :] + h * W + w, mask=there, other=0.0)
    values = pixels * tl.load(scale + colour)[None, :] + tl.load(shift + colour)[None, :]
    values = tl.where(there, values, 0.0)
    to = (frame.to(tl.int64) * (oH * oW) + place)[:, None] * pitch + channel[None, :]
    stored = (place < oH * oW)[:, None] & (channel < pitch)[None, :]
    tl.store(y + to, values.to(y.dtype.element_ty), mask=stored)
    wrong = there & ~(tl.abs(pixels) < float("inf"))  # NaN is below nothing
    found = tl.max(tl.max(wrong.to(tl.int32), 1), 0)
    tl.store(bad + frame * tl.num_programs(1) + tl.program_id(1), found)


@triton.jit
def _listed(groups, channel, n_in):
    """The channels that stand at these places of a list of groups."""
    group = tl.load(groups + channel // _GROUP, mask=channel < n_in, other=0)
    return tl.max_contiguous(tl.multiple_of(group * _GROUP + channel % _GROUP, _GROUP), _GROUP)


@triton.autotune(
    configs=[*CONFIGS, *EXACT],  # tried on the plan of the first call, then kept
    prune_configs_by={"early_config_prune": _fitting},
    key=["clips", "rows", "inputs", "outputs", "taps", "LISTED", "TIGHT_IN", "ADD"],
    restore_value=["y"],  # trying a sum adds to it
    do_bench=partial(do_bench, warmup=2, rep=10),  # milliseconds
)
@triton.jit(
    do_not_specialize=[
        "bits_pitch", "lists_pitch", "counts_pitch", "frames_at", "places_at", "outs_at", "ins_at",
        "channels_at", "counts_at", "clips", "rows", "per_frame", "inputs", "outputs", "taps",
    ]
)  # fmt: skip
def convolve(
    x, weight, bias, y, table, bits, lists, counts, parts, tickets,
    bits_pitch, lists_pitch, counts_pitch,  # from one clip to the next
    frames_at, places_at, outs_at, ins_at, channels_at, counts_at,  # of this unit, in those
    clips, rows, per_frame,  # positions of a clip's output, and of one of its frames
    inputs, outputs,  # groups of eight channels, side by side at each position
    taps,
    LISTED: tl.constexpr,  # the input channels to read are listed; else all
    TIGHT_IN: tl.constexpr,  # and lie side by side in `x`, as TIGHT_OUT writes them
    TIGHT_OUT: tl.constexpr,  # kept outputs side by side, what is behind them is not written
    RELU: tl.constexpr,
    ADD: tl.constexpr,  # add to what stands in `y`
    RELU_SUM: tl.constexpr,
    WIDE: tl.constexpr,  # the interpreter multiplies bfloat16 as if it were whole numbers
    M: tl.constexpr, N: tl.constexpr, K: tl.constexpr, SPLIT: tl.constexpr,
):  # fmt: skip
    """One tile: M kept rows of one clip × N kept outputs, summed over all taps and kept inputs.

    SPLIT programs share the sum of a tile: each leaves its part in `parts`, and the last of them to
    end, by `tickets`, adds all up, always in the same order.

    The grid has a program for every tile of a full plan; those that the plan leaves empty end at
    once. So the host need not know the plan, and one CUDA graph serves all plans.
    """
    out_tiles = (outputs * _GROUP + N - 1) // N
    row_tiles = (rows + M - 1) // M
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
    out_at = first_out + tl.arange(0, N)
    out_there = out_at < n_out
    out = tl.load(listed + outs_at + out_at // _GROUP, mask=out_there, other=0) * _GROUP
    out = tl.max_contiguous(tl.multiple_of(out + out_at % _GROUP, _GROUP), _GROUP)

    n_in = inputs * _GROUP
    if LISTED:
        n_in = tl.load(kept + 3) * _GROUP
    k_tiles = tl.maximum((n_in + K - 1) // K, 1)
    steps = taps * k_tiles
    begin, end = steps * tl.program_id(1) // SPLIT, steps * (tl.program_id(1) + 1) // SPLIT
    tap, first = begin // k_tiles, begin % k_tiles * K
    met = table + (clip.to(tl.int64) * taps + tap) * rows + row
    columns = weight + out  # outputs that are not there are computed, and not stored
    sums = tl.full((M, N), 0.0, tl.float32)
    ahead = tl.arange(0, K)
    channel = first + ahead
    if LISTED:
        channel = _listed(listed + ins_at, channel, n_in)
    position = tl.load(met, mask=live & (tap < taps), other=-1)
    for _ in range(begin, end):  # one loop, so that loads run ahead across taps
        column = first + ahead if TIGHT_IN else channel
        a = tl.load(
            (x + column)[None, :] + ((position * inputs).to(tl.int64) * _GROUP)[:, None],
            mask=(position >= 0)[:, None] & (first + ahead < n_in)[None, :], other=0.0,
        )  # fmt: skip
        # Without a mask: `a` is zero where the input ends, and zeros stand behind the weights.
        below = ((tap * inputs * _GROUP + channel) * outputs).to(tl.int64) * _GROUP
        b = tl.load(columns[None, :] + below[:, None])
        if WIDE:
            a, b = a.to(tl.float32), b.to(tl.float32)
        sums = tl.dot(a, b, sums, input_precision="ieee")
        # What the next step asks for, now: waited for within it, it would hold up all that runs
        # ahead.
        first += K
        ends = first >= n_in
        first = tl.where(ends, 0, first)
        tap += ends.to(tl.int32)
        met += tl.where(ends, rows, 0)
        position = tl.load(met, mask=live & (tap < taps), other=-1)
        channel = first + ahead
        if LISTED:
            channel = _listed(listed + ins_at, channel, n_in)

    if SPLIT > 1:
        part = parts + tl.program_id(0) * (SPLIT * M * N)
        part += (tl.arange(0, M) * N)[:, None] + tl.arange(0, N)[None, :]
        tl.store(part + tl.program_id(1) * (M * N), sums)
        tl.debug_barrier()  # the ticket speaks for all that the program has stored
        if tl.atomic_add(tickets + tl.program_id(0), 1) < SPLIT - 1:
            return
        tl.store(tickets + tl.program_id(0), 0)  # for the next launch
        sums = tl.full((M, N), 0.0, tl.float32)
        for other in range(SPLIT):
            sums += tl.load(part + other * (M * N), cache_modifier=".cg")

    sums += tl.load(bias + out, mask=out_there, other=0.0)[None, :]
    if RELU:
        sums = tl.maximum(sums, 0.0)
    keep = tl.load(bits + clip * bits_pitch + channels_at + out, mask=out_there, other=0)
    sums = tl.where((keep != 0)[None, :], sums, 0.0)  # of a group just some may be kept
    t = tl.load(listed + frames_at + row // n_places, mask=live, other=0)
    place = tl.load(listed + places_at + row % n_places, mask=live, other=0)
    to = (clip * rows + t * per_frame + place).to(tl.int64) * (outputs * _GROUP)
    at = y + to[:, None] + (out_at if TIGHT_OUT else out)[None, :]
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
