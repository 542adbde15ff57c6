/* backup_to.h: whom a backup is sealed to. Each recipient by himself opens it.
 *
 * A recipient in a header is its kind, a body that says how to come by its key, and the file's
 * key sealed under that. docs/backup-format.md describes the bodies. */
#ifndef HF_BACKUP_TO_H
#define HF_BACKUP_TO_H

#include "bytes.h"
#include "crypto.h"
#include "err.h"
#include "secret.h"
#include "shamir.h"
#include "xwing.h"

enum backup_recipient_kind {
	BACKUP_TO_PASSPHRASE = 1,
	BACKUP_TO_KEY,    /* a public key: another HSM's, or one whose private half custodians share */
	BACKUP_TO_TOKEN,  /* a key in a token, which whoever asks reaches through PKCS#11 */
	BACKUP_TO_MEMBER, /* an HSM of the same security domain: its public key and the domain's key */
};

#define BACKUP_SALT 16
#define BACKUP_KEY_ID 16u    /* SHA-256 of a public key, cut */
#define BACKUP_NAME_MOST 64u
#define BACKUP_CARD_MOST 2048u
#define BACKUP_BODY_MOST 2048u

/* struct backup_card is a public key to seal to, and what is known of it. m 0: one HSM has the
 * private half, else m of n custodians, by the SHA-256 of each one's share. */
struct backup_card {
	struct slice name; /* "HSM 0123456789abcdef", or what the custodians are called */
	uint8_t m, n;
	struct slice hashes; /* n * CRYPTO_HASH */
	struct slice key;    /* XWING_PUBLIC bytes */
	uint8_t id[BACKUP_KEY_ID];
};
void backup_card_enc(const struct backup_card *c, struct buf *out);
/* backup_card_dec: HF_E_BACKUP_CARD unless it is one. */
enum hf_err backup_card_dec(struct slice in, struct backup_card *ret) HF_MUST_CHECK;
enum hf_err backup_key_id(struct slice key, uint8_t ret[BACKUP_KEY_ID]) HF_MUST_CHECK;

/* struct backup_to is a recipient to be.
 *   passphrase: secret; kib and passes are crypto_stretch's
 *   key: card
 *   token: secret, 32 random bytes; body: how to get it back from the token
 *   member: card, secret (the domain's key), body (the domain's id) */
struct backup_to {
	enum backup_recipient_kind kind;
	struct slice secret, body;
	struct backup_card card;
	uint32_t kib, passes;
};

/* struct backup_recipient as a header has it; slices point into that. */
struct backup_recipient {
	uint8_t kind;
	struct slice body, sealed;
};
/* What a body says, for a person and for whoever looks for the key. */
struct backup_found {
	uint32_t kib, passes;
	struct slice salt;
	struct backup_card card; /* but for its key */
	struct slice domain, ct;
};
enum hf_err backup_recipient_look(const struct backup_recipient *r, struct backup_found *ret)
	HF_MUST_CHECK;

/* struct backup_opener is what may open a recipient: a passphrase or a token's secret, or the
 * seed of a private key (with the domain's key) and its id. */
struct backup_opener {
	uint8_t kind;
	struct slice secret, domain_key;
	uint8_t id[BACKUP_KEY_ID];
};

/* backup_recipient_make appends kind, body and the sealed file key; bound is what stands before
 * in the header. backup_recipient_open: HF_E_BACKUP_KEY if o does not open it. */
enum hf_err backup_recipient_make(const struct backup_to *to, struct slice bound,
	struct slice file_key, struct buf *out) HF_MUST_CHECK;
enum hf_err backup_recipient_open(const struct backup_recipient *r, const struct backup_opener *o,
	struct slice aad, struct secret *ret) HF_MUST_CHECK;
/* backup_recipient_fits: might o open it? */
bool backup_recipient_fits(const struct backup_recipient *r, const struct backup_opener *o);
/* backup_recipient_aad: what a recipient's seal is bound to. */
enum hf_err backup_recipient_aad(struct slice bound, const struct backup_recipient *r,
	struct buf *out) HF_MUST_CHECK;

#endif
