/* Cuts stacks of three colour frames at one place each and interleaves their nine planes.
 *
 * In two rounds of three: first the three frames of each colour, then the three colours.
 * Compilers know how to merge three rows of bytes with vector instructions, but not nine.
 * A few rows at a time, so that what lies between the rounds stays in the nearest cache.
 */
#include <stddef.h>
#include <stdint.h>

enum { FRAMES = 3, COLOURS = 3, STRIPE_ROWS = 16 };

/* merged[3 i + j] = byte i of the j-th input. */
static void merge(uint8_t *restrict merged, const uint8_t *restrict first,
                  const uint8_t *restrict second, const uint8_t *restrict third,
                  size_t count) {
  for (size_t i = 0; i < count; i++) {
    merged[3 * i] = first[i];
    merged[3 * i + 1] = second[i];
    merged[3 * i + 2] = third[i];
  }
}

/* Fills (rows, columns, 9) from three frames (3, height, width), plane = height * width;
 * begin is the offset of the first byte in the first plane of each.
 */
static void crop_stripe(uint8_t *image, const uint8_t *const frames[FRAMES], size_t begin,
                        size_t rows, size_t columns, size_t plane, size_t width) {
  uint8_t merged[COLOURS][FRAMES * STRIPE_ROWS * width];
  for (size_t colour = 0; colour < COLOURS; colour++, begin += plane) {
    merge(merged[colour], frames[0] + begin, frames[1] + begin, frames[2] + begin,
          (rows - 1) * width + columns);
  }
  for (size_t row = 0; row < rows; row++, image += FRAMES * COLOURS * columns) {
    size_t left = FRAMES * row * width;
    merge(image, merged[0] + left, merged[1] + left, merged[2] + left, FRAMES * columns);
  }
}

/* Fills images (count, rows, columns, 9); frames (count, 3) are addresses, corners (count)
 * the offset of each crop's first byte in a plane. Believes all of them.
 */
void crop_stacks(uint8_t *images, const uint8_t *const *frames, const int64_t *corners,
                 size_t count, size_t rows, size_t columns, size_t height, size_t width) {
  for (size_t i = 0; i < count; i++, frames += FRAMES) {
    for (size_t top = 0; top < rows; top += STRIPE_ROWS) {
      size_t stripe = rows - top < STRIPE_ROWS ? rows - top : STRIPE_ROWS;
      crop_stripe(images, frames, (size_t)corners[i] + top * width, stripe, columns,
                  height * width, width);
      images += FRAMES * COLOURS * columns * stripe;
    }
  }
}
