/* certificate.h: X.509 certificates (RFC 5280) signed with Ed25519 (RFC 8410), made for
 * attestation and checked anywhere. */
#ifndef HF_CERTIFICATE_H
#define HF_CERTIFICATE_H

#include "bytes.h"
#include "err.h"

/* struct certificate is what one of ours says. It never expires. */
struct certificate {
	struct slice serial;            /* positive number, at most 20 bytes */
	const char *issuer, *subject;   /* common names */
	uint64_t since_us;              /* UTC */
	struct slice public_key;        /* SubjectPublicKeyInfo; p NULL: the issuer's own */
	struct slice extension;         /* value of OID_ATTESTATION; p NULL: a root */
};

/* OID_ATTESTATION 2.25.308072605402145636502851510120408964189, as content bytes; a
 * number made from a random UUID (ITU-T X.667), so nobody had to give it out. */
extern const struct slice oid_attestation;

/* certificate_make appends the certificate, signed by the Ed25519 key of that seed. */
enum hf_err certificate_make(const struct certificate *c, struct slice seed, struct buf *out)
	HF_MUST_CHECK;
/* certificate_pem appends PEM (RFC 7468) of DER. */
enum hf_err certificate_pem(struct slice der, struct buf *out) HF_MUST_CHECK;

/* certificate_key_id: how a root's key is named, SHA-256 cut to 20 bytes. */
#define KEY_ID_LEN 20
enum hf_err certificate_key_id(const uint8_t public_key[32], uint8_t ret[KEY_ID_LEN]) HF_MUST_CHECK;

/* struct certified is what a checked certificate tells; its bytes are appended to mem. */
struct certified {
	struct slice extension, public_key;
};

/* certificate_root checks that in (PEM or DER) is a root that signed itself, and gives its
 * Ed25519 key. certificate_check checks that in was signed by that root. Both say in *ret_why what
 * is wrong. */
enum hf_err certificate_root(struct slice in, uint8_t ret_key[32], const char **ret_why) HF_MUST_CHECK;
enum hf_err certificate_check(struct slice root, struct slice in, struct buf *mem,
	struct certified *ret, const char **ret_why) HF_MUST_CHECK;
/* certificate_is: in looks like a certificate, PEM or DER. */
bool certificate_is(struct slice in);

#endif
