// What the page computes with where the network is a plan (bmis.serve.plan): WebAssembly with its
// 128 bits. Images are float32, (height, width, channels); a convolution multiplies in integers,
// because two products of 16 bits take the time of one of float32. `make kernels` compiles it.
//
// Loops may run over the end of a row: what they write there is overwritten by the next row, and
// behind every image lies room that nobody reads (SLACK in plan.js).

#include <wasm_simd128.h>

#define EXPORT(name) __attribute__((export_name(#name))) void name
#define INLINE static inline __attribute__((always_inline))
#define LARGEST 4095.0f  // of a quantised value: bmis.serve.plan chooses the weights so that sums fit

typedef short Int16;

INLINE v128_t between(v128_t x, v128_t low, v128_t high) {
  return wasm_f32x4_pmin(wasm_f32x4_pmax(x, low), high);
}

// (channels, pixels) -> (pixels, channels)
EXPORT(interleave)(const float *x, float *out, int channels, int pixels) {
  for (int c = 0; c < channels; c++)
    for (int at = 0; at < pixels; at++) out[at * channels + c] = x[c * pixels + at];
}

INLINE float most(const float *x, int count) {
  v128_t high = wasm_f32x4_splat(0);
  int at = 0;
  for (; at + 4 <= count; at += 4) high = wasm_f32x4_pmax(high, wasm_f32x4_abs(wasm_v128_load(x + at)));
  float found = 0, lanes[4];
  wasm_v128_store(lanes, high);
  for (int lane = 0; lane < 4; lane++) found = lanes[lane] > found ? lanes[lane] : found;
  for (; at < count; at++) {
    float size = __builtin_fabsf(x[at]);
    found = size > found ? size : found;
  }
  return found;
}

// An image of `rows` times `count` values as integers with borders of zeros; returns the unit.
__attribute__((export_name("quantise"))) float quantise(
    const float *x, Int16 *out, int rows, int count, int top, int left, int bottom, int right) {
  float high = most(x, rows * count), factor = high > 0 ? LARGEST / high : 0;
  int pitch = left + count + right;
  v128_t scale = wasm_f32x4_splat(factor);
  for (int at = 0; at < top * pitch; at++) *out++ = 0;
  for (int row = 0; row < rows; row++, x += count) {
    for (int at = 0; at < left; at++) *out++ = 0;
    int at = 0;
    for (; at + 8 <= count; at += 8) {
      v128_t one = wasm_f32x4_nearest(wasm_f32x4_mul(wasm_v128_load(x + at), scale));
      v128_t two = wasm_f32x4_nearest(wasm_f32x4_mul(wasm_v128_load(x + at + 4), scale));
      one = wasm_i32x4_trunc_sat_f32x4(one);
      wasm_v128_store(out + at, wasm_i16x8_narrow_i32x4(one, wasm_i32x4_trunc_sat_f32x4(two)));
    }
    for (; at < count; at++) out[at] = (Int16)__builtin_rintf(x[at] * factor);
    out += count;
    for (int at = 0; at < right; at++) *out++ = 0;
  }
  for (int at = 0; at < bottom * pitch; at++) *out++ = 0;
  return high / LARGEST;
}

#define ROW(i) { \
  v128_t x = wasm_v128_load32_splat(a##i + k); \
  sum[i][0] = wasm_i32x4_add(sum[i][0], wasm_i32x4_dot_i16x8(x, one)); \
  sum[i][1] = wasm_i32x4_add(sum[i][1], wasm_i32x4_dot_i16x8(x, two)); \
}

// (rows, inner) times weights packed as (wide / 8, inner / 2, 8, 2), scaled and moved.
INLINE void multiply(const Int16 *a, const Int16 *b, const float *scales, const float *biases, float *out,
                     int rows, int inner, int wide, float unit, float low, float high) {
  v128_t least = wasm_f32x4_splat(low), greatest = wasm_f32x4_splat(high), units = wasm_f32x4_splat(unit);
  for (int n = 0; n < wide; n += 8, b += 8 * inner) {
    v128_t scale[2], bias[2];
    for (int half = 0; half < 2; half++) {
      scale[half] = wasm_f32x4_mul(wasm_v128_load(scales + n + 4 * half), units);
      bias[half] = wasm_v128_load(biases + n + 4 * half);
    }
    for (int m = 0; m < rows; m += 4) {
      v128_t sum[4][2];
      for (int i = 0; i < 4; i++) sum[i][0] = sum[i][1] = wasm_i32x4_splat(0);
      const Int16 *a0 = a + m * inner, *a1 = a0 + inner, *a2 = a1 + inner, *a3 = a2 + inner, *weight = b;
      for (int k = 0; k < inner; k += 2, weight += 16) {
        v128_t one = wasm_v128_load(weight), two = wasm_v128_load(weight + 8);
        ROW(0) ROW(1) ROW(2) ROW(3)
      }
      for (int i = 0; i < 4; i++) {
        float *to = out + (m + i) * wide + n;
        for (int half = 0; half < (n + 4 < wide ? 2 : 1); half++) {
          v128_t value = wasm_f32x4_mul(wasm_f32x4_convert_i32x4(sum[i][half]), scale[half]);
          wasm_v128_store(to + 4 * half, between(wasm_f32x4_add(value, bias[half]), least, greatest));
        }
      }
    }
  }
}

EXPORT(pointwise)(const Int16 *a, const Int16 *b, const float *scales, const float *biases, float *out,
                  int rows, int inner, int wide, float unit, float low, float high) {
  multiply(a, b, scales, biases, out, rows, inner, wide, unit, low, high);
}

// A row of windows, each as one row of `inner` values; kernels of any size and stride.
INLINE void gather(const Int16 *x, Int16 *out, int columns, int tall, int part, int pitch, int step, int inner) {
  for (int column = 0; column < columns; column++, x += step, out += inner) {
    for (int row = 0; row < tall; row++)
      for (int at = 0; at < part; at += 8)
        wasm_v128_store(out + row * part + at, wasm_v128_load(x + row * pitch + at));
    for (int at = tall * part; at < inner; at++) out[at] = 0;
  }
}

// `part` is a kernel's width times the channels, `pitch` a row of the padded image.
EXPORT(convolve)(const Int16 *x, const Int16 *b, const float *scales, const float *biases, float *out,
                 Int16 *room, int height, int width, int tall, int part, int pitch, int down, int step,
                 int inner, int wide, float unit, float low, float high) {
  for (int row = 0; row < height; row++) {
    gather(x + row * down * pitch, room, width, tall, part, pitch, step, inner);
    multiply(room, b, scales, biases, out + row * width * wide, width, inner, wide, unit, low, high);
  }
}

#define LANES 4  // pixels at once

// One kernel a channel. Pixels whose window reaches over the edge go one by one.
INLINE void each_channel(const float *x, const float *weights, const float *biases, float *out, int height,
                         int width, int channels, int tall, int wide, int top, int left, int side, int down,
                         int across, float low, float high) {
  v128_t least = wasm_f32x4_splat(low), greatest = wasm_f32x4_splat(high);
  for (int row = 0; row < tall; row++) for (int c = 0; c < channels; c += 4) {
    int first = row * down - top, from = first < 0 ? -first : 0;
    int to = first + side > height ? height - first : side;
    v128_t bias = wasm_v128_load(biases + c);
    float *line = out + row * wide * channels + c;
    for (int column = 0; column < wide;) {
      int start = column * across - left;
      if (start >= 0 && start + (LANES - 1) * across + side <= width) {
        v128_t sum[LANES];
        for (int lane = 0; lane < LANES; lane++) sum[lane] = bias;
        for (int i = from; i < to; i++) {
          const float *source = x + ((first + i) * width + start) * channels + c;
          const float *weight = weights + i * side * channels + c;
          for (int j = 0; j < side; j++) {
            v128_t factor = wasm_v128_load(weight + j * channels);
            for (int lane = 0; lane < LANES; lane++)
              sum[lane] = wasm_f32x4_add(sum[lane], wasm_f32x4_mul(factor, wasm_v128_load(source + (lane * across + j) * channels)));
          }
        }
        for (int lane = 0; lane < LANES; lane++)
          wasm_v128_store(line + (column + lane) * channels, between(sum[lane], least, greatest));
        column += LANES;
        continue;
      }
      v128_t sum = bias;
      for (int i = from; i < to; i++) for (int j = start < 0 ? -start : 0; j < side && start + j < width; j++) {
        v128_t value = wasm_v128_load(x + ((first + i) * width + start + j) * channels + c);
        sum = wasm_f32x4_add(sum, wasm_f32x4_mul(value, wasm_v128_load(weights + (i * side + j) * channels + c)));
      }
      wasm_v128_store(line + column * channels, between(sum, least, greatest));
      column++;
    }
  }
}

EXPORT(depthwise)(const float *x, const float *weights, const float *biases, float *out, int height, int width,
                  int channels, int tall, int wide, int top, int left, int side, int down, int across,
                  float low, float high) {
#define USUAL(size, stride) if (side == size && down == stride && across == stride) \
  each_channel(x, weights, biases, out, height, width, channels, tall, wide, top, left, size, stride, stride, low, high); else
  USUAL(3, 1) USUAL(3, 2) USUAL(5, 1) USUAL(5, 2)
  each_channel(x, weights, biases, out, height, width, channels, tall, wide, top, left, side, down, across, low, high);
}

EXPORT(add)(const float *x, const float *y, float *out, int count, float low, float high) {
  v128_t least = wasm_f32x4_splat(low), greatest = wasm_f32x4_splat(high);
  for (int at = 0; at < count; at += 4)
    wasm_v128_store(out + at, between(wasm_f32x4_add(wasm_v128_load(x + at), wasm_v128_load(y + at)), least, greatest));
}

// Each pixel becomes `by` times `by`.
EXPORT(enlarge)(const float *x, float *out, int height, int width, int channels, int by) {
  for (int row = 0; row < height * by; row++) for (int column = 0; column < width * by; column++, out += channels) {
    const float *from = x + ((row / by) * width + column / by) * channels;
    for (int c = 0; c < channels; c += 4) wasm_v128_store(out + c, wasm_v128_load(from + c));
  }
}

// (height, width, kinds * block * block) -> (kinds, height * block, width * block)
EXPORT(planes)(const float *x, float *out, int height, int width, int kinds, int block) {
  for (int kind = 0; kind < kinds; kind++) for (int row = 0; row < height * block; row++)
    for (int column = 0; column < width; column++) {
      const float *from = x + (((row / block) * width + column) * kinds + kind) * block * block + row % block * block;
      for (int at = 0; at < block; at++) *out++ = from[at];
    }
}
