// Convolutions that only touch what a plan keeps. `native.py` compiles and calls this file.
//
// An activation is a matrix: a row for each stored position, a column for each stored channel.
// Stored positions are always (kept frames) x (kept places), so two short lists say where a row
// stands, and a position that is not stored reads as zeros. A convolution makes, for each output
// row and kernel tap, a pointer to the input row it meets (an indirection buffer, as XNNPACK has
// it). Dropped frames, tiles and halos then cost nothing: no gather, no scatter, no padding copy;
// a tap that meets only zeros is skipped. Weights lie in panels of as many output channels as one
// register tile holds, laid out once; a subset of channels is packed from those panels.
//
// One word is 32 bits: one float32 channel or two bfloat16 channels, whose products the processor
// adds in one instruction. All arithmetic accumulates in float32.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>
#if defined(__AVX512F__)
#include <immintrin.h>
#endif

namespace {

#if defined(__AVX512F__)
constexpr int kLanes = 16;
#elif defined(__AVX__)
constexpr int kLanes = 8;
#else
constexpr int kLanes = 4;
#endif
constexpr int kChunk = 1536;    // output rows that share one table of pointers

typedef float Vector __attribute__((vector_size(kLanes * 4)));
typedef float Loose __attribute__((vector_size(kLanes * 4), aligned(4), may_alias));

typedef float Eight __attribute__((vector_size(32)));
typedef float LooseEight __attribute__((vector_size(32), aligned(4), may_alias));

Vector load(const float* p) { return *reinterpret_cast<const Loose*>(p); }
void store(float* p, Vector v) { *reinterpret_cast<Loose*>(p) = v; }
Vector relu(Vector v) { return v > 0.0f ? v : Vector{}; }
Vector splat(float s) { return s - Vector{}; }
// Half a vector of weights, for the two rows that share a register.
Vector twice(const float* p) {
#if defined(__AVX512DQ__)
  return (Vector)_mm512_broadcast_f32x8(_mm256_loadu_ps(p));
#else
  Vector both{};
  for (int i = 0; i < kLanes; i++) both[i] = p[i % (kLanes / 2)];
  return both;
#endif
}
// The first half of two vectors: the low lanes of one, the high lanes of the other.
Vector halves(Vector low, Vector high) {
#if defined(__AVX512F__)
  return (Vector)_mm512_mask_blend_ps(0xff00, (__m512)low, (__m512)high);
#else
  for (int i = kLanes / 2; i < kLanes; i++) low[i] = high[i];
  return low;
#endif
}

struct Float32 {
  using Value = float;
  static constexpr int kPerWord = 1;
  static float get(const Value* p) { return *p; }
  static void put(Value* p, float x) { *p = x; }
  static Eight read_eight(const Value* p) { return *reinterpret_cast<const LooseEight*>(p); }
  static void write_eight(Value* p, Eight v) { *reinterpret_cast<LooseEight*>(p) = v; }
  static Vector read(const Value* p) { return load(p); }
  static void write(Value* p, Vector v) { store(p, v); }
  static Vector spread(const float* word) { return splat(*word); }
  static Vector multiply_add(Vector a, Vector b, Vector c) { return c + a * b; }
};

#ifdef __AVX512BF16__
struct BFloat16 {
  using Value = uint16_t;
  static constexpr int kPerWord = 2;
  static float get(const Value* p) {
    uint32_t bits = uint32_t(*p) << 16;
    float x;
    std::memcpy(&x, &bits, 4);
    return x;
  }
  static void put(Value* p, float x) {  // to the nearest, ties to even, as PyTorch rounds
    uint32_t bits;
    std::memcpy(&bits, &x, 4);
    if (x != x) { *p = 0x7fc0; return; }
    *p = uint16_t((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
  }
  static Eight read_eight(const Value* p) {
    const __m256i wide = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i*)p));
    return (Eight)_mm256_slli_epi32(wide, 16);
  }
  static void write_eight(Value* p, Eight v) {
    _mm_storeu_si128((__m128i*)p, (__m128i)_mm256_cvtneps_pbh((__m256)v));
  }
  static Vector read(const Value* p) {
    const __m512i wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i*)p));
    return (Vector)_mm512_slli_epi32(wide, 16);
  }
  static void write(Value* p, Vector v) {
    _mm256_storeu_si256((__m256i*)p, (__m256i)_mm512_cvtneps_pbh((__m512)v));
  }
  static Vector spread(const float* word) {
    int bits;
    std::memcpy(&bits, word, 4);
    return (Vector)_mm512_set1_epi32(bits);
  }
  static Vector multiply_add(Vector a, Vector b, Vector c) {
    return (Vector)_mm512_dpbf16_ps((__m512)c, (__m512bh)a, (__m512bh)b);
  }
};
#endif

}  // namespace

extern "C" {

struct Input {
  const char* values;
  int64_t row_bytes;
  int64_t words;         // of a row that a tap reads
  const int32_t* frame;  // (T) row block of each frame, -1 not stored; null: all stored
  const int32_t* place;  // (H*W) row in its block, -1 not stored; null: all stored
  int64_t block;         // rows of one stored frame
  int32_t T, H, W;
};

struct Window {
  int32_t kt, kh, kw, st, sh, sw, pt, ph, pw, dt, dh, dw;
};

struct Output {
  char* values;
  int64_t row_bytes;
  int64_t width;          // values that a row has room for; what is behind the last channel is 0
  const int32_t* frames;  // (n_frames) that are computed; null: all
  const int32_t* places;  // (n_places); null: all
  int64_t n_frames, n_places;
  int64_t block;            // rows of one frame: n_places, or H*W where rows lie at their position
  int32_t W;                // places in one row of the map
  const int32_t* columns;   // (n) where each channel is put; null: side by side
  int32_t add;              // to what stands there, in a whole map: rows lie at their position
  int32_t relu_before, relu_after;  // the sum
};

struct Weights {
  const float* panels;  // (n / tile, taps, words, tile)
  const float* bias;    // (n), zeros up to a whole tile
  const float* keep;    // (n) 1 or 0, multiplies what is computed; null: all 1
  int64_t n;
  int32_t vectors;      // in a tile
};
}

namespace {

// Output rows are computed in chunks of frames x places; the same table serves all channels.
struct Chunk {
  int64_t frame, place;
  int frames, places;
  int rows() const { return frames * places; }
};

struct Chunks {
  int64_t frames, places;  // sizes of one chunk
  int64_t n_frames, n_places;
  // A kernel that reaches over time reads each row again for the next frame: all frames of a few
  // places stay in the cache. One that does not is quicker along a frame.
  Chunks(const Output& y, const Window& k) : n_frames(y.n_frames), n_places(y.n_places) {
    const int64_t wanted = k.kt == 1 ? 240 : k.kh * k.kw == 1 ? 96 : 24;
    places = std::min(n_places, wanted);
    frames = std::min(n_frames, std::max<int64_t>(1, (k.kt == 1 ? kChunk / 4 : kChunk) / places));
  }
  int64_t down() const { return (n_frames + frames - 1) / frames; }
  int64_t across() const { return (n_places + places - 1) / places; }
  int64_t count() const { return down() * across(); }
  Chunk at(int64_t i) const {
    Chunk c{i / across() * frames, i % across() * places, 0, 0};
    c.frames = int(std::min(frames, n_frames - c.frame));
    c.places = int(std::min(places, n_places - c.place));
    return c;
  }
};

// What all threads need to know of one convolution, and each thread's tables.
struct Tables {
  std::vector<const char*> source;  // [tap * kChunk + row]
  std::vector<char*> target;        // [row]
  std::vector<int32_t> at;          // [spatial tap * kChunk + place]: row in its block, or -1
  explicit Tables(int taps) : source(size_t(taps + 1) * kChunk), target(kChunk),
                              at(size_t(taps) * kChunk) {}

  // Where each row of a chunk reads and writes.
  void point(const Input& x, const Window& k, const Output& y, const Chunk& c, const char* zeros) {
    for (int p = 0; p < c.places; p++) {
      const int32_t place = int32_t(y.places ? y.places[c.place + p] : c.place + p);
      const int32_t h0 = place / y.W * k.sh - k.ph, w0 = place % y.W * k.sw - k.pw;
      int32_t* entry = at.data() + p;
      for (int b = 0; b < k.kh; b++) {
        const int32_t h = h0 + b * k.dh;
        for (int d = 0; d < k.kw; d++, entry += kChunk) {
          const int32_t w = w0 + d * k.dw;
          const bool inside = uint32_t(h) < uint32_t(x.H) && uint32_t(w) < uint32_t(x.W);
          *entry = !inside ? -1 : x.place ? x.place[h * x.W + w] : h * x.W + w;
        }
      }
    }
    const int spatial = k.kh * k.kw;
    for (int f = 0; f < c.frames; f++) {
      const int64_t frame = y.frames ? y.frames[c.frame + f] : c.frame + f;
      const int64_t first = y.add ? frame * y.block : (c.frame + f) * y.block + c.place;
      for (int p = 0; p < c.places; p++) {
        const int64_t offset = !y.add ? p : y.places ? y.places[c.place + p] : c.place + p;
        target[f * c.places + p] = y.values + (first + offset) * y.row_bytes;
      }
      for (int a = 0; a < k.kt; a++) {
        const int64_t t = frame * k.st - k.pt + a * k.dt;
        const int64_t block = uint64_t(t) >= uint64_t(x.T) ? -1 : x.frame ? x.frame[t] : t;
        const char* base = x.values + block * x.block * x.row_bytes;
        for (int n = 0; n < spatial; n++) {
          const char** to = source.data() + (a * spatial + n) * kChunk + f * c.places;
          const int32_t* from = at.data() + n * kChunk;
          if (block < 0) std::fill(to, to + c.places, zeros);
          else for (int p = 0; p < c.places; p++)
            to[p] = from[p] < 0 ? zeros : base + from[p] * x.row_bytes;
        }
      }
    }
  }
};

// Neighbouring channels that stay neighbours where they are put.
struct Piece {
  int64_t from;
  int64_t to;
  int count;
};

// Sum and activation, eight channels at a time: as many as one gate opens.
template <class Type>
void put(const Output& y, typename Type::Value* to, const float* sums, int64_t count) {
  for (; count >= 8; count -= 8, to += 8, sums += 8) {
    Eight sum = *reinterpret_cast<const LooseEight*>(sums);
    if (y.add) sum += Type::read_eight(to);
    if (y.relu_after) sum = sum > 0.0f ? sum : Eight{};
    Type::write_eight(to, sum);
  }
  for (int64_t i = 0; i < count; i++) {
    const float sum = sums[i] + (y.add ? Type::get(to + i) : 0.0f);
    Type::put(to + i, y.relu_after && !(sum > 0) ? 0.0f : sum);
  }
}

// Activation, mask, sum, activation: from a row of sums into the output.
template <class Type>
void finish(const Output& y, const Weights& w, const std::vector<Piece>& pieces, float* sums,
            int64_t first, int64_t count, char* target) {
  using Value = typename Type::Value;
  Value* out = reinterpret_cast<Value*>(target);
  if (y.relu_before) for (int64_t i = 0; i < count; i++) sums[i] = sums[i] > 0 ? sums[i] : 0;
  if (w.keep) for (int64_t i = 0; i < count; i++) sums[i] *= w.keep[first + i];
  if (!y.columns) return put<Type>(y, out + first, sums, count);
  for (const Piece& piece : pieces)
    put<Type>(y, out + piece.to, sums + piece.from, piece.count);
}

// Output channels that one register tile computes; the last panel of a layer may be narrower.
struct Panel {
  int64_t first, count;
  int vectors;
  bool half;  // of the last vector only the low half is needed
  std::vector<Piece> pieces;  // where they are put, if not side by side
};

std::vector<Panel> panels_of(const Weights& w, const int32_t* columns) {
  std::vector<Panel> panels;
  const int64_t width = int64_t(w.vectors) * kLanes;
  for (int64_t first = 0; first < w.n; first += width) {
    const int64_t count = std::min(width, w.n - first);
    const int64_t last = (count - 1) % kLanes + 1;
    Panel panel{first, count, int((count + kLanes - 1) / kLanes), last <= kLanes / 2, {}};
    for (int64_t i = 0; columns && i < count;) {
      int run = 1;
      while (i + run < count && columns[first + i + run] == columns[first + i] + run) run++;
      panel.pieces.push_back({i, columns[first + i], run});
      i += run;
    }
    panels.push_back(panel);
  }
  return panels;
}

// One register tile: kRows output rows x kVectors vectors of output channels, over all taps.
// Where kHalf, half a vector more: two rows share one register, so that no lane is idle.
// Returns the taps that were computed.
template <class Type, int kRows, int kWhole, bool kHalf>
int tile(const Output& y, const Weights& w, int taps, int64_t words, const char* zeros,
         const char* const* table, char* const* target, const Panel& panel) {
  constexpr int kVectors = kWhole + (kHalf ? 1 : 0), kWidth = kVectors * kLanes;
  constexpr int kPairs = kHalf ? (kRows + 1) / 2 : 0;
  Vector sums[kRows][kVectors], shared[kPairs + 1];
  for (int v = 0; v < kVectors; v++) {
    const Vector bias = load(w.bias + panel.first + v * kLanes);
    for (int r = 0; r < kRows; r++) sums[r][v] = bias;
  }
  for (int p = 0; p < kPairs; p++) {
    const float* bias = w.bias + panel.first + kWhole * kLanes;
    for (int i = 0; i < kLanes; i++) shared[p][i] = bias[i % (kLanes / 2)];
  }
  // The last tap reaches furthest ahead: what it meets in the next tile was not read before. With
  // few taps that is much of what a tile reads.
  if (taps <= 3 && panel.first == 0)
    for (int r = kRows; r < 2 * kRows; r++)
      for (int64_t k = 0; k < words; k += 16)
        __builtin_prefetch(table[(taps - 1) * kChunk + r] + k * 4, 0, 2);
  const float* b = w.panels + panel.first * taps * words;
  int computed = 0;
  for (int tap = 0; tap < taps; tap++) {
    const float* a[kRows];
    bool any = false;
#pragma GCC unroll 16
    for (int r = 0; r < kRows; r++) {
      const char* row = table[tap * kChunk + r];
      a[r] = reinterpret_cast<const float*>(row);
      any |= row != zeros;
    }
    if (!any) { b += words * kWidth; continue; }
    computed++;
#pragma GCC unroll 2
    for (int64_t k = 0; k < words; k++, b += kWidth) {
      Vector column[kVectors];
#pragma GCC unroll 8
      for (int v = 0; v < kWhole; v++) column[v] = load(b + v * kLanes);
      if constexpr (kHalf) column[kWhole] = twice(b + kWhole * kLanes);
#pragma GCC unroll 16
      for (int r = 0; r < kRows; r++) {
        const Vector row = Type::spread(a[r] + k);
#pragma GCC unroll 8
        for (int v = 0; v < kWhole; v++)
          sums[r][v] = Type::multiply_add(row, column[v], sums[r][v]);
        if constexpr (kHalf)
          if (r % 2 || r + 1 == kRows) {
            const Vector both = r % 2 ? halves(Type::spread(a[r - r % 2] + k), row) : row;
            shared[r / 2] = Type::multiply_add(both, column[kWhole], shared[r / 2]);
          }
      }
    }
  }
  if constexpr (kHalf)
    for (int r = 0; r < kRows; r++) {
      Vector& own = sums[r][kWhole] = Vector{};
      for (int i = 0; i < kLanes / 2; i++) own[i] = shared[r / 2][r % 2 * (kLanes / 2) + i];
    }
  using Value = typename Type::Value;
  const bool plain = !y.columns && panel.first + kWidth <= y.width;
  for (int r = 0; r < kRows; r++) {
    if (plain) {
      Value* out = reinterpret_cast<Value*>(target[r]) + panel.first;
      for (int v = 0; v < kVectors; v++) {
        Vector sum = sums[r][v];
        if (y.relu_before) sum = relu(sum);
        if (w.keep) sum *= load(w.keep + panel.first + v * kLanes);
        if (y.add) sum += Type::read(out + v * kLanes);
        if (y.relu_after) sum = relu(sum);
        Type::write(out + v * kLanes, sum);
      }
    } else {
      float row[kWidth];
      for (int v = 0; v < kVectors; v++) store(row + v * kLanes, sums[r][v]);
      finish<Type>(y, w, panel.pieces, row, panel.first, panel.count, target[r]);
    }
  }
  return computed;
}

// As many whole tiles as fit, then smaller ones. Returns rows x taps that were computed.
template <class Type, int kRows, int kWhole, bool kHalf>
int64_t rows(const Output& y, const Weights& w, int taps, int64_t words, const char* zeros,
             const char* const* table, char* const* target, int count, const Panel& panel) {
  int64_t done = 0;
  int r = 0;
  for (; r + kRows <= count; r += kRows)
    done += kRows * tile<Type, kRows, kWhole, kHalf>(y, w, taps, words, zeros, table + r, target + r,
                                                panel);
  if constexpr (kRows > 1)
    if (r < count)
      done += rows<Type, kRows == 6 && kHalf ? 2 : kRows / 2, kWhole, kHalf>(y, w, taps, words, zeros, table + r, target + r,
                                              count - r, panel);
  return done;
}

template <class Type>
int64_t convolve(const Input& x, const Window& k, const Output& y, const Weights& w,
                 const char* zeros, int threads) {
  const int taps = k.kt * k.kh * k.kw;
  const std::vector<Panel> panels = panels_of(w, y.columns);
  const Chunks chunks(y, k);
  // Where chunks are fewer than threads need, several share one, each with its part of the panels.
  const int64_t wanted = threads > 1 ? (2 * threads + chunks.count() - 1) / chunks.count() : 1;
  const int64_t split = std::min<int64_t>(int64_t(panels.size()), wanted);
  int64_t done = 0;
#pragma omp parallel num_threads(threads) reduction(+ : done)
  {
    Tables tables(taps);
#pragma omp for schedule(dynamic)
    for (int64_t task = 0; task < chunks.count() * split; task++) {
      const Chunk c = chunks.at(task / split);
      tables.point(x, k, y, c, zeros);
      if (y.add)  // sums are read only when a tile is done: fetch them meanwhile
        for (int r = 0; r < c.rows(); r++)
          for (int64_t i = 0; i < y.row_bytes; i += 64) __builtin_prefetch(tables.target[r] + i, 1);
      const int64_t size = int64_t(panels.size()), share = task % split;
      for (int64_t i = share * size / split; i < (share + 1) * size / split; i++) {
        const Panel& panel = panels[i];
        const auto run = [&](auto whole, auto half) {
          const int64_t lanes = panel.vectors * kLanes - (panel.half ? kLanes / 2 : 0);
          done += lanes * (panel.half ? half : whole)(
              y, w, taps, x.words, zeros, tables.source.data(), tables.target.data(), c.rows(),
              panel);
        };
        // As many rows as the registers hold sums for.
        if (panel.vectors == 5) run(rows<Type, 5, 5, false>, rows<Type, 4, 4, true>);
        else if (panel.vectors == 4) run(rows<Type, 6, 4, false>, rows<Type, 6, 3, true>);
        else if (panel.vectors == 3) run(rows<Type, 8, 3, false>, rows<Type, 8, 2, true>);
        else if (panel.vectors == 2) run(rows<Type, 12, 2, false>, rows<Type, 12, 1, true>);
        else run(rows<Type, 14, 1, false>, rows<Type, 12, 0, true>);
      }
    }
  }
  return done * x.words * Type::kPerWord;
}

// A channel meets only itself: `panels` is (taps, n) in float32.
template <class Type>
int64_t convolve_depthwise(const Input& x, const Window& k, const Output& y, const Weights& w,
                           const char* zeros, int threads) {
  using Value = typename Type::Value;
  const int taps = k.kt * k.kh * k.kw;
  const Chunks chunks(y, k);
  std::vector<Piece> pieces;
  for (int i = 0; y.columns && i < w.n; i++) pieces.push_back({i, y.columns[i], 1});
  int64_t done = 0;
#pragma omp parallel num_threads(threads) reduction(+ : done)
  {
    Tables tables(taps);
    std::vector<float> sums(w.n);
#pragma omp for schedule(dynamic)
    for (int64_t task = 0; task < chunks.count(); task++) {
      const Chunk c = chunks.at(task);
      tables.point(x, k, y, c, zeros);
      for (int r = 0; r < c.rows(); r++) {
        std::copy(w.bias, w.bias + w.n, sums.begin());
        for (int tap = 0; tap < taps; tap++) {
          const char* row = tables.source[tap * kChunk + r];
          if (row == zeros) continue;
          done++;
          const Value* a = reinterpret_cast<const Value*>(row);
          const float* b = w.panels + tap * w.n;
          float* s = sums.data();
#pragma omp simd
          for (int64_t i = 0; i < w.n; i++) s[i] += Type::get(a + i) * b[i];
        }
        finish<Type>(y, w, pieces, sums.data(), 0, w.n, tables.target[r]);
      }
    }
  }
  return done * w.n;
}

// Half of a word, as float bits are laid: the first of a pair lies low.
uint32_t half(uint32_t word, int64_t channel) { return channel & 1 ? word >> 16 : word & 0xffff; }

// The words that a subset of input channels makes, and how each is had from the words of all.
struct Word {
  int64_t first, second;  // channels; second is -1 where a word ends without it
};

template <class Type>
std::vector<Word> words_of(const int32_t* in, int64_t n_in) {
  std::vector<Word> words;
  for (int64_t i = 0; i < n_in; i += Type::kPerWord) {
    const bool pair = Type::kPerWord == 2 && i + 1 < n_in;
    words.push_back({in ? in[i] : i, !pair ? -1 : in ? in[i + 1] : i + 1});
  }
  return words;
}

// Panels and biases of a subset of channels, from those of all: (ascending) `in` x `out` indices.
template <class Type>
void pack(const Weights& all, int taps, int64_t all_words, const int32_t* in, int64_t n_in,
          const int32_t* out, const Weights& some, float* panels, float* bias, int threads) {
  for (int64_t i = 0; i < some.n; i++) bias[i] = all.bias[out[i]];
  const std::vector<Word> words = words_of<Type>(in, n_in);
  const int64_t count = int64_t(words.size()), wide = int64_t(all.vectors) * kLanes;
  // A word that is one of the source's is moved whole; neighbours are moved in one loop.
  struct Run { int64_t to, from, count; };
  std::vector<Run> runs;
  std::vector<int64_t> mixed;
  for (int64_t k = 0; k < count; k++) {
    const Word& word = words[k];
    const int64_t from = word.first / Type::kPerWord;
    if (Type::kPerWord == 2 && (word.first % 2 || word.second != word.first + 1)) mixed.push_back(k);
    else if (!runs.empty() && runs.back().to + runs.back().count == k &&
             runs.back().from + runs.back().count == from) runs.back().count++;
    else runs.push_back({k, from, 1});
  }
  const std::vector<Panel> made = panels_of(some, nullptr);
#pragma omp parallel for num_threads(threads) collapse(2)
  for (size_t p = 0; p < made.size(); p++) {
    for (int tap = 0; tap < taps; tap++) {
      const Panel& panel = made[p];
      const int64_t width = int64_t(panel.vectors) * kLanes;
      float* const target = panels + (panel.first * taps + tap * width) * count;
      if (panel.count < width) std::memset(target, 0, size_t(count * width) * 4);
      for (int64_t i = 0; i < panel.count;) {
        const int32_t* const o = out + panel.first + i;
        const int64_t source = *o / wide, rest = all.n - source * wide;  // its panel of all
        const int64_t row = std::min(wide, (rest + kLanes - 1) / kLanes * kLanes);
        int n = 1;
        while (n < 8 && i + n < panel.count && o[n] == *o + n && o[n] % wide) n++;
        const float* const from = all.panels + (source * wide * taps + tap * row) * all_words
                                  + *o % wide;
        for (const Run& run : runs) {
          const float* a = from + run.from * row;
          float* b = target + run.to * width + i;
          if (n == 8)
            for (int64_t k = 0; k < run.count; k++, a += row, b += width) std::memcpy(b, a, 32);
          else
            for (int64_t k = 0; k < run.count; k++, a += row, b += width) std::copy_n(a, n, b);
        }
        for (const int64_t k : mixed) {
          const Word& word = words[k];
          const float* a = from + word.first / 2 * row;
          const float* b = from + std::max<int64_t>(word.second, 0) / 2 * row;
          for (int c = 0; c < n; c++) {
            uint32_t low, high;
            std::memcpy(&low, a + c, 4);
            std::memcpy(&high, b + c, 4);
            const uint32_t both = half(low, word.first) |
                                  (word.second < 0 ? 0u : half(high, word.second) << 16);
            std::memcpy(target + k * width + i + c, &both, 4);
          }
        }
        i += n;
      }
    }
  }
}

// Sums that the controller's statistics are made of, in one pass over a whole map (T, places, C).
//   sum, square: (T, C) over places. zero: (T, C) count of zeros. moved: (T - 1, C) of
//   |x(t + 1) - x(t)| over places. place_moved: (T - 1, places) of the same over channels.
//   place_sum: (T, places) over channels.
template <class Type>
void summarise(const Input& x, int64_t channels, float* sum, float* square, float* zero,
               float* moved, float* place_moved, float* place_sum, int threads) {
  using Value = typename Type::Value;
  constexpr int kTogether = 8;  // places whose sums stay in registers
  const int64_t places = int64_t(x.H) * x.W, frame_bytes = places * x.row_bytes;
  // Whole vectors: what is behind the last channel is read as zero and not given out.
  const int64_t vectors = (channels + kLanes - 1) / kLanes;
  const auto read = [&](const char* row, int64_t v) {
    const Value* values = reinterpret_cast<const Value*>(row) + v * kLanes;
    if ((v + 1) * kLanes <= channels) return Type::read(values);
    float last[kLanes] = {};
    for (int64_t c = 0; v * kLanes + c < channels; c++) last[c] = Type::get(values + c);
    return load(last);
  };
  const auto total = [](Vector v) {
    float lanes[kLanes];
    store(lanes, v);
    for (int half = kLanes / 2; half; half /= 2)
      for (int i = 0; i < half; i++) lanes[i] += lanes[i + half];
    return lanes[0];
  };
  struct Sums { Vector sum, square, zero, moved; };
  std::vector<Sums> all(size_t(x.T) * vectors, Sums{});
  const int64_t share = (places + threads - 1) / threads;  // long stretches: memory is the limit
#pragma omp parallel num_threads(threads)
  {
    std::vector<Sums> own(size_t(x.T) * vectors, Sums{});
#pragma omp for schedule(static)
    for (int64_t block = 0; block < places; block += share) {
      const int64_t end = std::min(places, block + share);
      for (int t = 0; t < x.T; t++) {
        const bool more = t + 1 < x.T;
        for (int64_t first = block; first < end; first += kTogether) {
          const int count = int(std::min<int64_t>(kTogether, end - first));
          const char* rows = x.values + t * frame_bytes + first * x.row_bytes;
          Vector here[kTogether] = {}, change[kTogether] = {};
          for (int64_t v = 0; v < vectors; v++) {
            Sums s = own[t * vectors + v];
            for (int p = 0; p < count; p++) {
              const char* row = rows + p * x.row_bytes;
              const Vector a = read(row, v);
              const Vector d = more ? read(row + frame_bytes, v) - a : Vector{};
              const Vector size = d > 0.0f ? d : -d;
              s.sum += a;
              s.square += a * a;
              s.zero += a == 0.0f ? splat(1.0f) : Vector{};
              s.moved += size;
              here[p] += a;
              change[p] += size;
            }
            own[t * vectors + v] = s;
          }
          for (int p = 0; p < count; p++) {
            place_sum[t * places + first + p] = total(here[p]);
            if (more) place_moved[t * places + first + p] = total(change[p]);
          }
        }
      }
    }
#pragma omp critical
    for (size_t i = 0; i < all.size(); i++) {
      all[i].sum += own[i].sum;
      all[i].square += own[i].square;
      all[i].zero += own[i].zero;
      all[i].moved += own[i].moved;
    }
  }
  for (int64_t t = 0; t < x.T; t++) {
    for (int64_t c = 0; c < channels; c++) {
      const Sums& s = all[t * vectors + c / kLanes];
      sum[t * channels + c] = s.sum[c % kLanes];
      square[t * channels + c] = s.square[c % kLanes];
      zero[t * channels + c] = s.zero[c % kLanes];
      if (t + 1 < x.T) moved[t * channels + c] = s.moved[c % kLanes];
    }
  }
}

}  // namespace

// What `native.py` calls. `convolve_*` return the multiply-accumulates that were carried out.
#define EXPORT(NAME, TYPE)                                                                        \
  int64_t convolve_##NAME(const Input* x, const Window* k, const Output* y, const Weights* w,     \
                          const char* zeros, int threads) {                                       \
    return convolve<TYPE>(*x, *k, *y, *w, zeros, threads);                                        \
  }                                                                                               \
  int64_t convolve_depthwise_##NAME(const Input* x, const Window* k, const Output* y,             \
                                    const Weights* w, const char* zeros, int threads) {           \
    return convolve_depthwise<TYPE>(*x, *k, *y, *w, zeros, threads);                              \
  }                                                                                               \
  void pack_##NAME(const Weights* all, int taps, int64_t all_words, const int32_t* in,            \
                   int64_t n_in, const int32_t* out, const Weights* some, float* panels,          \
                   float* bias, int threads) {                                                    \
    pack<TYPE>(*all, taps, all_words, in, n_in, out, *some, panels, bias, threads);               \
  }                                                                                               \
  void summarise_##NAME(const Input* x, int64_t channels, float* sum, float* square,              \
                        float* zero, float* moved, float* place_moved, float* place_sum,          \
                        int threads) {                                                            \
    summarise<TYPE>(*x, channels, sum, square, zero, moved, place_moved, place_sum, threads);     \
  }

extern "C" {
EXPORT(float32, Float32)
#ifdef __AVX512BF16__
EXPORT(bfloat16, BFloat16)
#endif
int lanes() { return kLanes; }
int has_bfloat16() {
#ifdef __AVX512BF16__
  return 1;
#else
  return 0;
#endif
}
}
