/* utf8.h: is this text? */
#ifndef HF_UTF8_H
#define HF_UTF8_H

#include <stdbool.h>

#include "bytes.h"

/* utf8_valid: s is well-formed UTF-8 (RFC 3629: shortest forms, no surrogates,
 * at most U+10FFFF) without NUL. */
bool utf8_valid(struct slice s);
/* utf8_printable: besides, nothing in it steers a terminal or turns the text's direction
 * (Unicode's categories Cc, Zl and Zp, and Bidi_Control). */
bool utf8_printable(struct slice s);

#endif
