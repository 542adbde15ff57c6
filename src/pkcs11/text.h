/* text.h: the blank-padded text of PKCS#11's structures. */
#ifndef HF_TEXT_H
#define HF_TEXT_H

#include "bytes.h"

/* text_pad writes s and blanks, n bytes in all, no NUL. Text that is too long
 * is cut before the character that does not fit, never inside one. */
void text_pad(uint8_t *out, size_t n, struct slice s);

/* text_trim views text without its padding: blanks at the end, or all from the
 * first NUL on. */
struct slice text_trim(const uint8_t *p, size_t n);

#endif
