/* keyfile.h: keys and certificates as other programs keep them in files: PEM and DER,
 * PKCS#8 (RFC 5958), plain or encrypted, the older forms of RSA and EC, PKCS#12 (RFC 7292),
 * SubjectPublicKeyInfo and X.509. For programs beside the vault, which parses no such file. */
#ifndef HF_KEYFILE_H
#define HF_KEYFILE_H

#include "mech.h"

#define KEYFILE_MAX ((size_t)4 << 20) /* bytes of a file */
#define KEYFILE_ITEMS 64              /* keys and certificates in one file */
#define KEYFILE_ID 20                 /* bytes of an item's id */

enum keyfile_kind { KEYFILE_PAIR, KEYFILE_PUBLIC, KEYFILE_CERTIFICATE };

/* struct keyfile_item: the components of its objects, as a template wants them. */
struct keyfile_item {
	enum keyfile_kind kind;
	uint32_t ckk;           /* CKK_ of a key */
	struct parts pub, priv; /* a certificate's are in pub */
	/* SHA-256 of the SubjectPublicKeyInfo, cut: a key and its certificate have the same. */
	uint8_t id[KEYFILE_ID];
};

struct keyfile {
	struct keyfile_item v[KEYFILE_ITEMS];
	size_t n;
};

/* keyfile_ask gets the file's passphrase when one turns out to be needed; false: there is none. */
typedef bool (*keyfile_ask)(void *ctx, struct secret *ret);

/* keyfile_read finds what is in a file's bytes. HF_E_KEYFILE: nothing that it knows, or
 * damaged; HF_E_KEYFILE_KEY: there is no passphrase, or it opens nothing; HF_E_LIMIT: too many
 * items. The caller ends it with keyfile_done, also after a failure. */
enum hf_err keyfile_read(struct slice file, keyfile_ask ask, void *ctx, struct keyfile *ret)
	HF_MUST_CHECK;
void keyfile_done(struct keyfile *f);

/* keyfile_write appends a public half in PEM: label is "PUBLIC KEY" (der is a
 * SubjectPublicKeyInfo) or "CERTIFICATE". */
enum hf_err keyfile_write(const char *label, struct slice der, struct buf *out) HF_MUST_CHECK;

/* keyfile_aes_cbc decrypts AES-256-CBC with PKCS#7's padding. HF_E_KEYFILE_KEY: it is none. */
enum hf_err keyfile_aes_cbc(struct slice key, struct slice iv, struct slice in, struct secret *ret)
	HF_MUST_CHECK;

#endif
