/* base64.h: RFC 4648, the ordinary alphabet with padding (§4) or the one for URLs
 * without (§5). */
#ifndef HF_BASE64_H
#define HF_BASE64_H

#include <stdbool.h>

#include "bytes.h"
#include "secret.h"

enum hf_err base64_encode(struct slice s, bool url, struct buf *out) HF_MUST_CHECK;
/* base64_decode: HF_E_MALFORMED: there are other characters, or the length is impossible. */
enum hf_err base64_decode(struct slice text, bool url, struct secret *ret) HF_MUST_CHECK;

#endif
