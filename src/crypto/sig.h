/* sig.h: signatures over a digest (or over given data in its place), made with a
 * context that the key keeps: RSA and ECDSA. */
#ifndef HF_SIG_H
#define HF_SIG_H

#include "family.h"

#define SIG_RAW_MAX 65536 /* bytes of data that take a digest's place */

struct sig_scheme;

struct sig {
	struct kept kept;
	const struct sig_scheme *scheme;
	const struct hash *hash; /* NULL: the caller brings what is signed */
	EVP_PKEY_CTX *pctx;
	EVP_MD_CTX *md;
	struct buf raw;
	struct param_rsa_pss pss; /* what pctx is set up for */
};

struct sig_scheme {
	/* setup makes pctx ready for the verb and the parameters. */
	enum hf_err (*setup)(struct sig *s, const struct crypt *c);
	/* same: pctx is ready already for c's parameters. NULL: it always is. */
	bool (*same)(const struct sig *s, const struct crypt *c);
	/* sign appends the signature of tbs, verify checks one of the right
	 * length; they check tbs's length themselves. */
	enum hf_err (*sign)(struct sig *s, const struct crypt *c, struct slice tbs,
		struct buf *out);
	enum hf_err (*verify)(struct sig *s, const struct crypt *c, struct slice tbs,
		struct slice sig);
	size_t (*size)(const struct key *k); /* bytes of a signature */
};

enum hf_err sig_begin(struct crypt *c, const struct sig_scheme *scheme) HF_MUST_CHECK;
/* A family's update, finish, bound and end. */
enum hf_err sig_update(struct crypt *c, struct slice in, struct buf *out);
enum hf_err sig_finish(struct crypt *c, struct slice in, struct slice sig, struct buf *out);
enum hf_err sig_copy(const struct crypt *from, struct crypt *to);
size_t sig_bound(const struct crypt *c, size_t in, bool last);
void sig_end(struct crypt *c);

/* sig_init is the common part of a setup: EVP_PKEY_sign_init and its like. */
enum hf_err sig_init(struct sig *s, const struct crypt *c) HF_MUST_CHECK;

#endif
