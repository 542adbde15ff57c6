/* softhsm_file.h: the files of a SoftHSM 2 token ("objectstore.backend = file"): a number,
 * then attributes. Those of private objects are under the token's key, which is under the
 * user's PIN. */
#ifndef HF_CLI_SOFTHSM_FILE_H
#define HF_CLI_SOFTHSM_FILE_H

#include "err.h"
#include "secret.h"

#define SOFT_FILE_MAX ((size_t)1 << 20) /* bytes of a file */
#define SOFT_ATTRS 128                  /* attributes in one */

/* SoftHSM's own attributes of the token. */
#define SOFT_TOKEN_LABEL 0x80005349u
#define SOFT_USER_PIN 0x8000534du

enum soft_kind { SOFT_BOOL = 1, SOFT_ULONG = 2, SOFT_BYTES = 3, SOFT_MECHS = 4, SOFT_ATTRS_OF = 5 };

/* struct soft_attr: a flag or number in number; everything else in bytes, as in the file. */
struct soft_attr {
	uint64_t type, number;
	enum soft_kind kind;
	struct slice bytes;
};

struct soft_attrs {
	struct soft_attr v[SOFT_ATTRS];
	size_t n;
};

/* soft_read views a file's attributes; soft_read_nested those of a template among them.
 * HF_E_KEYFILE: it is no such file, or damaged. */
enum hf_err soft_read(struct slice file, struct soft_attrs *ret) HF_MUST_CHECK;
enum hf_err soft_read_nested(struct slice value, struct soft_attrs *ret) HF_MUST_CHECK;
const struct soft_attr *soft_get(const struct soft_attrs *a, uint64_t type); /* NULL: absent */

/* soft_unlock makes the token's key of the user's PIN. HF_E_KEYFILE_KEY: the PIN is wrong. */
enum hf_err soft_unlock(const struct soft_attrs *token, struct slice pin, struct secret *ret_key)
	HF_MUST_CHECK;
/* soft_open decrypts a value of a private object. */
enum hf_err soft_open(struct slice key, struct slice value, struct secret *ret) HF_MUST_CHECK;

#endif
