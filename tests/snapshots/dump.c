/* dump.c: what the lists say, as text that somebody reads in a diff:
 * "dump attributes", "dump mechanisms", "dump policies",
 * "dump roles". */
#include <stdio.h>
#include <string.h>

#include "attrs_rules.h"
#include "calls_codec.h"
#include "crypto.h"
#include "mech.h"
#include "pkcs11_numbers.h"
#include "policies.h"

struct word {
	unsigned long bit;
	const char *text;
};

static void put_words(const struct word *w, size_t n, unsigned long bits)
{
	const char *sep = "";

	for (size_t i = 0; i < n; i++) {
		if ((bits & w[i].bit) == 0)
			continue;
		printf("%s%s", sep, w[i].text);
		sep = ",";
	}
	if (*sep == '\0')
		printf("-");
}

#define WORDS(w) w, sizeof(w) / sizeof(w[0])
#define W(name) { name, #name }
#define F(name) { CKF_##name, #name }
#define M(name) { MECH_##name, #name }

static void dump_attributes(void)
{
	static const struct word flags[] = { W(REQ_CREATE), W(NO_CREATE), W(REQ_GENERATE),
		W(NO_GENERATE), W(REQ_UNWRAP), W(NO_UNWRAP), W(SECRET), W(MODIFY), W(SO_TRUE),
		W(ONLY_TO_TRUE), W(ONLY_TO_FALSE), W(SYSTEM), W(COPY) };
	static const char *const defaults[] = { "NONE", "EMPTY", "TRUE", "FALSE", "ZERO", "CODE" };
	static const char *const kinds[] = { "bool", "ulong", "bytes", "date", "attrs", "mechs" };
	const struct rule *r;
	enum attr_kind k;

	printf("# class type attribute | kind | flags | default\n");
	for (size_t i = 0; (r = rule_at(i)) != NULL; i++) {
		printf("%s | %s | ", r->text, attr_kind(r->cka, &k) ? kinds[k] : "?");
		put_words(WORDS(flags), r->flags);
		printf(" | %s\n", defaults[r->dflt]);
	}
}

static void put_type(uint32_t ckk)
{
	if (ckk == CKK_NONE)
		printf("none");
	else if (ckk == CKK_ANY_PRIVATE)
		printf("any private");
	else if (ckk == CKK_ANY_SECRET)
		printf("secret");
	else
		printf("0x%02x", ckk);
}

static void dump_mechanism(const struct mech *m)
{
	static const struct word ops[] = { F(ENCRYPT), F(DECRYPT), F(DIGEST), F(SIGN),
		F(SIGN_RECOVER), F(VERIFY), F(VERIFY_RECOVER), F(GENERATE), F(GENERATE_KEY_PAIR),
		F(WRAP), F(UNWRAP), F(DERIVE), F(ENCAPSULATE), F(DECAPSULATE) };
	static const struct word flags[] = { M(APPROVED), M(LEGACY), M(NO_MULTI), M(PUBLIC_DATA),
		M(INHERIT), M(OWN) };

	printf("0x%08x %s | ", m->type, m->name);
	put_words(WORDS(ops), m->ops);
	printf(" | key ");
	put_type(m->key);
	printf(" or ");
	put_type(m->alt_key);
	printf(" | %u..%u | %s %s | ", m->min, m->max, m->family->name,
		m->arg != NULL ? m->arg : "-");
	put_words(WORDS(flags), m->flags);
	printf("\n");
}

static int dump_mechanisms(void)
{
	const struct mech *m;

	if (crypto_init() != HF_OK)
		return 1;
	printf("# number name | operations | key type | size | family argument | flags\n");
	for (size_t i = 0; (m = mech_at(i)) != NULL; i++)
		dump_mechanism(m);
	return 0;
}

/* The page ROLES.md: the roles and what spec/calls lets each do. */
static void dump_roles(void)
{
	static const struct {
		unsigned by;
		const char *name;
	} roles[] = {
		{ CALL_BY_H, "HSM officer" }, { CALL_BY_A, "administrator" }, { CALL_BY_D, "auditor" },
		{ CALL_BY_P, "public" }, { CALL_BY_S, "officer" },
		{ CALL_BY_U, "crypto officer" }, { CALL_BY_L, "limited" }, { CALL_BY_C, "crypto user" },
	};
	const size_t n = sizeof(roles) / sizeof(roles[0]);

	printf("# Roles and calls\n\n"
	       "Made from `spec/calls` (`UPDATE_SNAPSHOTS=1 meson test -C build snapshot_roles`), which the\n"
	       "gate enforces. *yes*: the role may; *session*: session objects only, none that stay;\n"
	       "blank: refused. Calls that need no session are everybody's who may connect, but for those\n"
	       "of the HSM's roles; what they show is what the caller may see. The roles of the HSM\n"
	       "belong to no partition. One that has no PIN (`holdfast hsm set`) is played by whoever's uid\n"
	       "administers: root, the daemon's own user, `admin-uid`.\n\n"
	       "| role | PKCS#11 | what it is for |\n| --- | --- | --- |\n"
	       "| HSM officer | `--as so` | the HSM's security officer: partitions, custodians, how it"
	       " unlocks, zeroizing |\n"
	       "| administrator | `--as administrator` | operates: unlocks, stops, tests, counts; no keys,"
	       " no policies |\n"
	       "| auditor | `--as auditor` | the audit log; once he has a PIN, nobody else |\n"
	       "| public | no login | public objects; those that stay it changes where the policy"
	       " `changes-without-login` says so |\n"
	       "| officer | `CKU_SO` | a partition's security officer: users, PINs, policies; uses no key |\n"
	       "| crypto officer | `CKU_USER` | makes, uses, changes and destroys keys |\n"
	       "| limited | `C_LoginUser`, or the PIN `name:PIN` | a named user who makes and uses keys |\n"
	       "| crypto user | the same | a named user who uses keys |\n\n| call |");
	for (size_t k = 0; k < n; k++)
		printf(" %s |", roles[k].name);
	printf("\n| --- |");
	for (size_t k = 0; k < n; k++)
		printf(" --- |");
	for (unsigned op = 0; op < CALLS_ROWS; op++) {
		const struct call_row *r = &calls_rows[op];

		if (r->name == NULL)
			continue;
		printf("\n| %s |", r->name);
		for (size_t k = 0; k < n; k++)
			printf(" %s |", r->roles == 0 ? "yes" : (r->session_only & roles[k].by) != 0 ?
				"session" : (r->roles & roles[k].by) != 0 ? "yes" : "");
	}
	printf("\n");
}

/* The page POLICIES.md. */
static void dump_policies(void)
{
	static const char *const who[] = { "officer", "officer and HSM officer" };
	static const char *const destroys[] = { "never", "raised", "lowered" };

	printf("# Policies of a partition\n\n"
	       "Made from `spec/policies.def` (`UPDATE_SNAPSHOTS=1 meson test -C build snapshot_policies`).\n"
	       "`holdfast policy show --partition P` tells a partition's values, `holdfast policy set`\n"
	       "changes them. *strict* and *open* are the values of a new partition with and without\n"
	       "`strict-partitions` in holdfast.conf. A change in the direction of the column *destroys*\n"
	       "destroys all objects of the partition in the same step. In approved mode\n"
	       "(`non-approved-mechanisms` off) sizes follow `spec/approved.def`, by date. What a policy\n"
	       "refuses names it, on the terminal and in the audit record.\n\n"
	       "`holdfast policy template save --partition P --out FILE` keeps a partition's values\n"
	       "as JSON, `template compare --in FILE` shows where another partition differs, `template\n"
	       "apply` makes it the same, in one step.\n\n"
	       "| number | name | strict | open | values | changed by | destroys | meaning |\n"
	       "| ---: | --- | ---: | ---: | --- | --- | --- | --- |\n");
	for (size_t i = 0; i < POLICIES; i++) {
		const struct policy_row *r = &policy_rows[i];

		printf("| %u | %s | %llu | %llu | %llu..%llu | %s | %s | %s |\n", r->number, r->name,
			(unsigned long long)r->strict, (unsigned long long)r->open,
			(unsigned long long)r->least, (unsigned long long)r->most, who[r->who],
			destroys[r->destroys], r->help);
	}
}

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "mechanisms") == 0)
		return dump_mechanisms();
	if (argc == 2 && strcmp(argv[1], "roles") == 0) {
		dump_roles();
		return 0;
	}
	if (argc == 2 && strcmp(argv[1], "policies") == 0) {
		dump_policies();
		return 0;
	}
	if (argc != 2 || strcmp(argv[1], "attributes") != 0)
		return 2;
	dump_attributes();
	return 0;
}
