/* attestation.h: what the HSM states about a key of its own, in two forms: the extension of an
 * X.509 certificate, and a CWT (RFC 8392) signed with COSE (RFC 9052). ATTESTATION.md is
 * the norm; spec/attest.def lists the fields. */
#ifndef HF_ATTESTATION_H
#define HF_ATTESTATION_H

#include "bytes.h"
#include "err.h"

enum attest_field {
#define ATTEST(id, tag, claim, kind, name) ATTEST_##id,
#include "attest.def"
#undef ATTEST
	ATTEST_FIELDS
};
enum attest_kind {
	ATTEST_KIND_TEXT, ATTEST_KIND_BYTES, ATTEST_KIND_NUMBER, ATTEST_KIND_TIME, ATTEST_KIND_FLAG
};

struct attest_row {
	uint8_t tag;
	int32_t claim;
	enum attest_kind kind;
	const char *name;
};
extern const struct attest_row attest_rows[ATTEST_FIELDS];

#define ATTEST_VERSION_NOW 1u
#define ATTEST_MAX 65536u /* bytes of a statement */
#define ATTEST_NONCE_LEAST 8u
#define ATTEST_NONCE_MOST 64u

enum attest_form { ATTEST_X509 = 0, ATTEST_COSE = 1 };

/* struct attestation: fields that are not there are left out of the statement. */
struct attestation {
	struct {
		bool there;
		uint64_t number;    /* NUMBER, TIME, FLAG */
		struct slice bytes; /* TEXT, BYTES; borrowed */
	} v[ATTEST_FIELDS];
};

/* The extension's value. attestation_read_der: HF_E_MALFORMED unless it is one. */
enum hf_err attestation_der(const struct attestation *a, struct buf *out) HF_MUST_CHECK;
enum hf_err attestation_read_der(struct slice in, struct attestation *ret) HF_MUST_CHECK;

/* attestation_cose makes the CWT, signed with the root's key. attestation_read_cose checks it
 * against the root's public key; *ret borrows from in, *ret_why says what is wrong. */
enum hf_err attestation_cose(const struct attestation *a, struct slice seed, struct buf *out)
	HF_MUST_CHECK;
enum hf_err attestation_read_cose(struct slice in, const uint8_t public_key[32],
	struct attestation *ret, const char **ret_why) HF_MUST_CHECK;

#endif
