/* key.c: key generate, key types. */
#include "cli.h"
#include "clock.h"
#include "key_stateful.h"
#include "pkcs11_numbers.h"

#include <stdio.h>
#include <string.h>

/* struct key_kind is one word of --type. */
struct key_kind {
	const char *name;
	uint32_t mechanism;
	uint32_t attr; /* that says which: bits, curve, length, parameter set */
	uint64_t number;
	struct slice bytes; /* instead of number */
	bool pair;
};

#define OID(...) { (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }) }
#define RSA(bits) { "rsa:" #bits, CKM_RSA_PKCS_KEY_PAIR_GEN, CKA_MODULUS_BITS, bits, { 0 }, true }
#define EC(name, ...)                                                                       \
	{ name, CKM_EC_KEY_PAIR_GEN, CKA_EC_PARAMS, 0, OID(__VA_ARGS__), true }
#define AES(bits) { "aes:" #bits, CKM_AES_KEY_GEN, CKA_VALUE_LEN, bits / 8, { 0 }, false }
#define PQ(name, mech, set) { name, mech, CKA_PARAMETER_SET, set, { 0 }, true }

/* DER object identifiers: SEC 2 §A, RFC 5639 §3, RFC 8410 §3. */
static const struct key_kind kinds[] = {
	RSA(2048), RSA(3072), RSA(4096), RSA(8192),
	EC("ec:P-224", 6, 5, 0x2b, 0x81, 4, 0, 0x21),
	EC("ec:P-256", 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7),
	EC("ec:P-384", 6, 5, 0x2b, 0x81, 4, 0, 0x22),
	EC("ec:P-521", 6, 5, 0x2b, 0x81, 4, 0, 0x23),
	EC("ec:secp256k1", 6, 5, 0x2b, 0x81, 4, 0, 0x0a),
	EC("ec:brainpoolP256r1", 6, 9, 0x2b, 0x24, 3, 3, 2, 8, 1, 1, 7),
	EC("ec:brainpoolP384r1", 6, 9, 0x2b, 0x24, 3, 3, 2, 8, 1, 1, 11),
	EC("ec:brainpoolP512r1", 6, 9, 0x2b, 0x24, 3, 3, 2, 8, 1, 1, 13),
	{ "ed25519", CKM_EC_EDWARDS_KEY_PAIR_GEN, CKA_EC_PARAMS, 0, OID(6, 3, 0x2b, 0x65, 0x70), true },
	{ "ed448", CKM_EC_EDWARDS_KEY_PAIR_GEN, CKA_EC_PARAMS, 0, OID(6, 3, 0x2b, 0x65, 0x71), true },
	{ "x25519", CKM_EC_MONTGOMERY_KEY_PAIR_GEN, CKA_EC_PARAMS, 0, OID(6, 3, 0x2b, 0x65, 0x6e), true },
	{ "x448", CKM_EC_MONTGOMERY_KEY_PAIR_GEN, CKA_EC_PARAMS, 0, OID(6, 3, 0x2b, 0x65, 0x6f), true },
	AES(128), AES(192), AES(256),
	{ "generic:256", CKM_GENERIC_SECRET_KEY_GEN, CKA_VALUE_LEN, 32, { 0 }, false },
	{ "generic:512", CKM_GENERIC_SECRET_KEY_GEN, CKA_VALUE_LEN, 64, { 0 }, false },
	PQ("ml-dsa-44", CKM_ML_DSA_KEY_PAIR_GEN, CKP_ML_DSA_44),
	PQ("ml-dsa-65", CKM_ML_DSA_KEY_PAIR_GEN, CKP_ML_DSA_65),
	PQ("ml-dsa-87", CKM_ML_DSA_KEY_PAIR_GEN, CKP_ML_DSA_87),
	PQ("ml-kem-512", CKM_ML_KEM_KEY_PAIR_GEN, CKP_ML_KEM_512),
	PQ("ml-kem-768", CKM_ML_KEM_KEY_PAIR_GEN, CKP_ML_KEM_768),
	PQ("ml-kem-1024", CKM_ML_KEM_KEY_PAIR_GEN, CKP_ML_KEM_1024),
};

#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

int cmd_key_types(struct cli *c)
{
	json_t *a = json_array();

	for (size_t i = 0; i < KINDS; i++)
		json_array_append_new(a, json_pack("{s:s, s:b}", "type", kinds[i].name, "pair",
			kinds[i].pair));
	for (unsigned i = 0; stateful_example(i) != NULL; i++)
		json_array_append_new(a, json_pack("{s:s, s:b}", "type", stateful_example(i), "pair", 1));
	cli_print(c, a);
	return EXIT_DONE;
}

static const struct key_kind *kind_named(const char *s)
{
	for (size_t i = 0; i < KINDS; i++)
		if (strcasecmp(kinds[i].name, s) == 0)
			return &kinds[i];
	return NULL;
}

static enum hf_err generate(struct cli *c, uint64_t session, const struct key_kind *k,
	struct attr_list given)
{
	struct mech_in m = { .type = k->mechanism };
	struct attr which = { k->attr, k->bytes.n ? k->bytes : cli_u64(c, k->number) };
	struct slice extract = c->opt[OPT_EXTRACT] ? cli_true : cli_false;
	struct attr pub[8] = { which }, own[8] = { { CKA_SENSITIVE, cli_true },
		{ CKA_EXTRACTABLE, extract }, { CKA_PRIVATE, cli_true } };
	size_t pubs = 1, owns = 3;

	for (size_t i = 0; i < given.n; i++)
		pub[pubs++] = own[owns++] = given.v[i];
	if (k->pair) {
		struct key_pair_generate_req q = { m, { pub, pubs }, { own, owns } };
		struct key_pair_generate_res r;

		return do_key_pair_generate(c->client, session, &q, &r, &c->arena);
	}
	own[owns++] = which;
	struct key_generate_req q = { m, { own, owns } };
	struct key_generate_res r;

	return do_key_generate(c->client, session, &q, &r, &c->arena);
}

/* generate_stateful: such a key is never extractable, and of the time that it takes
 * nothing is known here: a client waits as long as the HSM works. */
static enum hf_err generate_stateful(struct cli *c, uint64_t session, const struct stateful *k,
	struct attr_list given)
{
	struct key_pair_generate_req q = { .mech = { .type = k->mechanism } };
	struct key_pair_generate_res r;
	struct attr pub[8], own[8] = { { CKA_PRIVATE, cli_true } };
	uint8_t lms[8 * STATEFUL_LEVELS], ots[8 * STATEFUL_LEVELS];
	size_t pubs = 0, owns = 1;

	for (size_t i = 0; i < given.n; i++)
		pub[pubs++] = own[owns++] = given.v[i];
	for (unsigned l = 0; l < k->levels; l++) {
		put_u64(lms + (size_t)8 * l, k->lms[l]);
		put_u64(ots + (size_t)8 * l, k->ots[l]);
	}
	if (k->levels == 0) {
		pub[pubs++] = (struct attr){ CKA_PARAMETER_SET, cli_u64(c, k->set) };
	} else {
		own[owns++] = (struct attr){ CKA_HSS_LMS_TYPES, { lms, (size_t)8 * k->levels } };
		own[owns++] = (struct attr){ CKA_HSS_LMOTS_TYPES, { ots, (size_t)8 * k->levels } };
	}
	q.pub = (struct attr_list){ pub, pubs };
	q.priv = (struct attr_list){ own, owns };
	return do_key_pair_generate(c->client, session, &q, &r, &c->arena);
}

int cmd_key_generate(struct cli *c)
{
	struct attr token = { CKA_TOKEN, cli_true };
	struct attr_list given;
	const struct key_kind *k;
	struct stateful stateful;
	uint64_t session;
	enum hf_err e;

	if (c->opt[OPT_TYPE] == NULL || c->opt[OPT_LABEL] == NULL)
		return cli_usage("--type and --label are needed; see 'holdfast key types'");
	k = kind_named(c->opt[OPT_TYPE]);
	if (k == NULL && !stateful_named(c->opt[OPT_TYPE], &stateful))
		return cli_usage("no key type '%s'; see 'holdfast key types'", c->opt[OPT_TYPE]);
	if (k == NULL && c->opt[OPT_EXTRACT])
		return cli_usage("a key of type '%s' is never extractable", c->opt[OPT_TYPE]);
	given = cli_template(c, &token, 1);
	if (given.n == 0 || !cli_session(c, true, &session))
		return EXIT_FAILED;
	e = k != NULL ? generate(c, session, k, given) :
		generate_stateful(c, session, &stateful, given);
	if (e != HF_OK)
		return cli_fail("key generate", e);
	if (c->opt[OPT_JSON])
		cli_print(c, json_pack("{s:s, s:s}", "type", c->opt[OPT_TYPE], "label", c->opt[OPT_LABEL]));
	return EXIT_DONE;
}

int cmd_key_usage(struct cli *c)
{
	struct key_usage_req q;
	struct key_usage_res r;
	uint64_t session;
	char when[28] = "never";
	json_t *o;
	enum hf_err e;

	if (!cli_session(c, false, &session) || !cli_any_key(c, session, &q.key))
		return EXIT_FAILED;
	e = do_key_usage(c->client, session, &q, &r, &c->arena);
	if (e != HF_OK)
		return cli_fail("key usage", e);
	if (r.last != 0)
		clock_iso(r.last, when);
	o = json_pack("{s:s, s:I}", "last", when, "failures", (json_int_t)r.failures);
	for (size_t i = 0; i < r.uses.n; i++) {
		char kind[33];

		snprintf(kind, sizeof(kind), "%.*s", (int)r.uses.v[i].kind.n,
			(const char *)r.uses.v[i].kind.p);
		json_object_set_new(o, kind, json_integer((json_int_t)r.uses.v[i].uses));
	}
	cli_print(c, o);
	return EXIT_DONE;
}
