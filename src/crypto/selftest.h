/* selftest.h: the known answers of the power-on self-test. */
#ifndef HF_SELFTEST_H
#define HF_SELFTEST_H

#include "mech.h"
#include "pkcs11_numbers.h"

/* How a test runs. */
enum kat_kind {
	KAT_OUTPUT, /* the verb's output is out (or, longer, has it as SHA-256); what
	             * can be undone is undone: decrypted, or verified */
	KAT_VERIFY, /* sig is right for in, and wrong when a bit is changed */
	KAT_DERIVE, /* out is derived */
	KAT_DECAPSULATE, /* in is a ciphertext, out the shared secret */
};

#define KAT_PARTS 4

/* Bytes are hexadecimal. */
struct kat {
	const char *name;
	enum kat_kind kind;
	enum verb verb;
	uint32_t ckm, cko, ckk;
	struct {
		uint32_t cka;
		const char *hex;
	} part[KAT_PARTS];
	struct params params;
	const char *in, *sig, *out;
};

extern const struct kat kats[];
extern const size_t kat_count;

#endif
