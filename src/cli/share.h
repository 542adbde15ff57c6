/* share.h: a custodian's share, sealed under his PIN or passphrase, and the places where
 * he keeps it: a file, a smartcard, another PKCS#11 token. */
#ifndef HF_SHARE_H
#define HF_SHARE_H

#include "cli.h"

/* struct share_label is what stands on it for everybody to read; sealed with it. */
struct share_label {
	const char *hsm;       /* serial number */
	const char *whose;     /* "HSM", or "partition P, role R" */
	const char *custodian; /* name */
	unsigned number, needed, of;
	uint32_t pbkdf2;       /* iterations that stretch the PIN or passphrase; 0: Argon2id does */
};

/* share_seal: the whole as JSON. share_open: HF_E_PIN_INCORRECT, or the label was altered;
 * HF_E_MALFORMED: it is no share. */
enum hf_err share_seal(const struct share_label *l, struct slice passphrase, struct slice share,
	json_t **ret) HF_MUST_CHECK;
enum hf_err share_open(json_t *o, struct slice passphrase, struct secret *ret) HF_MUST_CHECK;
/* share_text: "share 2 of 5 (anna) of HSM 0123..., HSM"; into out, always terminated. */
void share_text(const json_t *o, char *out, size_t n);
/* share_set: the same for shares of one dealing; NULL: it is none. */
const char *share_set(const json_t *o);

/* share_file_write makes DIR/share-I.json, and says so; one that is there is left alone. */
bool share_file_write(const char *dir, size_t i, const json_t *o);

/* Where: what the options say. Each returns false after saying what is wrong. */
bool place_chosen(struct cli *c); /* at most one of them */
/* place_for makes the n-th of several custodians' cards be in its reader, and asks for
 * his PIN. */
bool place_pin(struct cli *c, size_t i, const char *custodian, bool fresh, struct secret *ret);
/* place_pins: --pin-file has a passphrase for each of n; cards and tokens have PINs of their own, and
 * may share a line. */
bool place_pins(struct cli *c, size_t n);
/* place_put keeps a sealed share there; i: which custodian's, from 0. */
bool place_put(struct cli *c, size_t i, json_t *sealed, struct slice pin);
/* place_get gives the shares that are there, as an array. */
bool place_get(struct cli *c, struct slice pin, json_t **ret);

#endif
