/* fuzz_decoders: the decoders below the calls. The first byte says which. */
#include <string.h>

#include "attestation.h"
#include "audit_codec.h"
#include "clone.h"
#include "calls_codec.h"
#include "fuzz.h"
#include "keeper_codec.h"
#include "map.h"
#include "mech.h"
#include "params.h"
#include "pkcs11_numbers.h"
#include "attrs.h"
#include "keyfile.h"
#include "softhsm_file.h"

static void frame(struct slice in)
{
	struct wire_head h;

	if (in.n >= WIRE_HEAD && wire_head_get(in.p, 4096, &h) == HF_OK && h.length > 4096)
		__builtin_trap();
}

static void params(struct slice in)
{
	struct params p;

	if (in.n > 0)
		(void)!params_decode((enum param_id)(in.p[0] % PARAM_COUNT),
			(struct slice){ in.p + 1, in.n - 1 }, &p);
}

static void audit(struct slice in)
{
	struct arena a = { 0 };
	struct rd r = rd_of(in);
	struct audit_record rec;

	(void)!audit_record_dec(&r, &a, &rec);
	arena_done(&a);
}

static void scan_answer(struct slice in)
{
	struct arena a = { 0 };
	struct rd r = rd_of(in);
	struct store_scan_res s;

	(void)!store_scan_res_dec(&r, &a, &s);
	arena_done(&a);
}

static void stored_attrs(struct slice in)
{
	struct attrs a = { 0 };

	if (attrs_dec(in, &a) == HF_OK)
		attrs_done(&a);
}

static void nested(struct slice in)
{
	struct arena a = { 0 };
	struct attr_list l;

	(void)!attrs_nested(in, &a, &l);
	arena_done(&a);
}

static void pkcs8(struct slice in)
{
	static const uint32_t types[] = { CKK_RSA, CKK_EC, CKK_EC_EDWARDS, CKK_EC_MONTGOMERY,
		CKK_ML_DSA, CKK_ML_KEM };
	struct parts p = { 0 };

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		(void)!key_decode(CKO_PRIVATE_KEY, types[i], in, &p);
		parts_done(&p);
	}
}

static void statement(struct slice in)
{
	static const uint8_t key[32];
	struct attestation a;
	const char *why;

	(void)!attestation_read_der(in, &a);
	(void)!attestation_read_cose(in, key, &a, &why);
}

static void key_file(struct slice in)
{
	struct keyfile f = { 0 };

	(void)!keyfile_read(in, NULL, NULL, &f);
	keyfile_done(&f);
}

static void softhsm(struct slice in)
{
	struct soft_attrs a;
	struct secret key;

	if (soft_read(in, &a) == HF_OK && soft_unlock(&a, SLICE_STR("1234"), &key) == HF_OK)
		secret_done(&key);
}

/* A clone's two ends: what is read of them before any key is used. */
static void clone_ends(struct slice in)
{
	struct slice hsm, partition;
	struct backup_header h;
	struct backup_found f;

	(void)clone_asker(in, &hsm, &partition);
	if (backup_header_read(in, &h) == HF_OK)
		for (size_t i = 0; i < h.to_n; i++)
			(void)!backup_recipient_look(&h.to[i], &f);
}

static void (*const targets[])(struct slice) = { frame, params, audit, scan_answer, stored_attrs,
	nested, pkcs8, statement, key_file, softhsm, clone_ends };

#define TARGETS (sizeof(targets) / sizeof(targets[0]))

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	if (n > 0)
		targets[p[0] % TARGETS]((struct slice){ p + 1, n - 1 });
	return 0;
}

/* An Ed25519 PrivateKeyInfo (RFC 8410 §10.3), and for the rest lists of one. */
static const uint8_t key[] = { 0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20,
	0xd4, 0xee, 0x72, 0xdb, 0xf9, 0x13, 0x58, 0x4a, 0xd5, 0xb6, 0xd8, 0xf1, 0xf7, 0x69, 0xf8, 0xad,
	0x3a, 0xfe, 0x7c, 0x28, 0xcb, 0xf1, 0xd4, 0xfb, 0xe0, 0x97, 0xa8, 0x8f, 0x44, 0x75, 0x58, 0x42 };

/* A backup's header of 199 bytes. */
static const uint8_t head[] = { 'H', 'F', 'B', 'A', 'C', 'K', 'U', 'P', 0, 2, 0, 0, 0, 0, 0, 199 };

size_t fuzz_seed(size_t i, uint8_t *p, size_t max)
{
	if (i >= TARGETS || max < 256)
		return 0;
	memset(p, 0, 200);
	p[0] = (uint8_t)i;
	if (targets[i] == pkcs8 || targets[i] == key_file) {
		memcpy(p + 1, key, sizeof(key));
		return 1 + sizeof(key);
	}
	if (targets[i] == clone_ends) {
		memcpy(p + 1, head, sizeof(head));
		return 200;
	}
	p[4] = 1; /* a count, or a length, of one */
	p[12] = 1;
	return 200;
}
