/* utf8.h: is this text? */
#ifndef HF_UTF8_H
#define HF_UTF8_H

#include <stdbool.h>

#include "bytes.h"

/* utf8_valid: s is well-formed UTF-8 (RFC 3629: shortest forms, no surrogates,
 * at most U+10FFFF) without NUL. */
bool utf8_valid(struct slice s);

#endif
