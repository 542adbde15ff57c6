/* Consent: to one request, of one user, once, in time; and roles that custodians open. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "box.h"
#include "pkcs11_numbers.h"
#include "quorum.h"
#include "tmpl.h"

static struct box box;
static struct who root, anna;
static uint8_t shares[SHAMIR_MAX][SHARE_LEN];

static void come(void)
{
	who_comes(&root, &box, ADMIN, 9);
	who_comes(&anna, &box, OWNER, 1);
}

static int setup(void **state)
{
	(void)state;
	box_new(&box);
	come();
	ready(&anna, 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	who_leaves(&anna);
	who_leaves(&root);
	box_free(&box);
	return 0;
}

static void restart(void)
{
	who_leaves(&anna);
	who_leaves(&root);
	box_restart(&box);
	come();
}

static void keep(struct share_list l)
{
	for (size_t i = 0; i < l.n; i++)
		memcpy(shares[i], l.v[i].share.p, SHARE_LEN);
}

static void custodians(uint8_t m, uint8_t n)
{
	struct quorum_create_req q = { m, n, SLICE_NONE };
	struct quorum_create_res r;

	assert_int_equal(do_quorum_create(&root, &q, &r), HF_OK);
	keep(r.shares);
	assert_int_equal(do_quorum_commit(&root, &(struct quorum_commit_req){ set_of(&r.shares) },
		&(struct quorum_commit_res){ 0 }), HF_OK);
}

static enum hf_err give_to(struct who *w, uint64_t request, size_t i)
{
	struct quorum_share_req q = { request, SLICE_OF(shares[i]) };
	struct quorum_share_res r;

	return do_quorum_share(w, &q, &r);
}

static enum hf_err require(const char *name, bool needed)
{
	struct consent_set_req q = { slice_str(name), needed };
	struct consent_set_res r;

	return do_consent_set(&root, &q, &r);
}

/* waiting is the number of the request that waits; 0: none. */
static uint64_t waiting(void)
{
	struct quorum_status_req q = { 0 };
	struct quorum_status_res r;

	assert_int_equal(do_quorum_status(&root, &q, &r), HF_OK);
	for (size_t i = 0; i < r.asking.n; i++)
		if (!r.asking.v[i].agreed)
			return r.asking.v[i].id;
	return 0;
}

static void consent_is_for_these_fields(void **state)
{
	(void)state;
	custodians(2, 3);
	assert_int_equal(require("zeroize", true), HF_E_QUORUM);
	assert_int_equal(give_to(&root, 0, 0), HF_OK);
	assert_int_equal(give_to(&root, 0, 1), HF_OK);
	assert_int_equal(require("restore", true), HF_E_QUORUM);
	assert_int_equal(require("policies", true), HF_E_QUORUM);
	assert_int_equal(require("zeroize", true), HF_OK);
}

static void nobody_is_asked_for_what_cannot_be(void **state)
{
	(void)state;
	custodians(2, 2);
	assert_int_equal(require("tamper-clear", false), HF_E_CONSENT);
	assert_int_equal(require("zeroize", false), HF_E_CONSENT);
	assert_int_equal(require("bogus", false), HF_E_CONSENT);
	assert_int_equal(require("bogus", true), HF_E_CONSENT);
	assert_int_equal(waiting(), 0);
}

static void an_approval_is_not_used_twice(void **state)
{
	uint64_t id;

	(void)state;
	custodians(2, 3);
	assert_int_equal(require("zeroize", true), HF_E_QUORUM);
	id = waiting();
	assert_int_equal(give_to(&root, id, 0), HF_OK);
	assert_int_equal(give_to(&root, id, 1), HF_OK);
	assert_int_equal(give_to(&root, id, 2), HF_E_REQUEST); /* enough came */
	assert_int_equal(require("zeroize", true), HF_OK);
	assert_int_equal(give_to(&root, id, 0), HF_E_REQUEST); /* replayed */
	assert_int_equal(require("zeroize", true), HF_E_QUORUM);
	assert_true(waiting() != id);
}

static void a_duplicate_counts_once(void **state)
{
	(void)state;
	custodians(2, 3);
	assert_int_equal(require("zeroize", true), HF_E_QUORUM);
	assert_int_equal(give_to(&root, 0, 0), HF_OK);
	assert_int_equal(give_to(&anna, 0, 0), HF_E_SHARE_TWICE);
	assert_int_equal(require("zeroize", true), HF_E_QUORUM);
}

static void the_time_forgets_shares_and_consent(void **state)
{
	(void)state;
	box.cfg.quorum_s = 1;
	restart();
	custodians(2, 3);
	assert_int_equal(require("zeroize", true), HF_E_QUORUM);
	assert_int_equal(give_to(&root, 0, 0), HF_OK);
	sleep(2);
	assert_int_equal(waiting(), 0);
	assert_int_equal(give_to(&root, 0, 1), HF_E_REQUEST);
	assert_int_equal(require("zeroize", true), HF_E_QUORUM);
	assert_int_equal(give_to(&root, 0, 0), HF_OK); /* not twice: it was forgotten */
	assert_int_equal(give_to(&root, 0, 1), HF_OK);
	sleep(2);
	assert_int_equal(require("zeroize", true), HF_E_QUORUM); /* agreed, too long ago */
}

static void a_restart_forgets_requests(void **state)
{
	(void)state;
	custodians(2, 2);
	assert_int_equal(require("zeroize", true), HF_E_QUORUM);
	assert_int_equal(give_to(&root, 0, 0), HF_OK);
	restart();
	assert_int_equal(give_to(&root, 0, 1), HF_OK);
	assert_int_equal(give_to(&root, 0, 0), HF_OK); /* unlocked by both */
	assert_int_equal(waiting(), 0);
}

static void a_request_is_cancelled_by_its_owner(void **state)
{
	struct quorum_cancel_req q;
	struct quorum_cancel_res r;

	(void)state;
	custodians(2, 2);
	assert_int_equal(require("zeroize", true), HF_E_QUORUM);
	q.request = waiting();
	assert_int_equal(do_quorum_cancel(&anna, &q, &r), HF_E_DENIED);
	assert_int_equal(do_quorum_cancel(&root, &q, &r), HF_OK);
	assert_int_equal(do_quorum_cancel(&root, &q, &r), HF_E_REQUEST);
}

static void what_is_required_survives_a_restart(void **state)
{
	(void)state;
	assert_int_equal(require("zeroize", true), HF_OK); /* nobody to ask yet */
	assert_int_equal(require("nonsense", true), HF_E_CONSENT);
	assert_int_equal(require("custodians", false), HF_E_CONSENT);
	custodians(2, 2);
	restart();
	/* locked, it holds already */
	assert_int_equal(do_zeroize(&root, &(struct zeroize_req){ 0 }, &(struct zeroize_res){ 0 }),
		HF_E_QUORUM);
}

static void another_user_does_not_use_it(void **state)
{
	struct policy_value change = { 20, 5 };
	struct partition_list_res l;
	struct policy_set_res pr;
	struct policy_set_req pq = { .so_pin = SLICE_STR(SO_PIN), .changes = { &change, 1 } };

	(void)state;
	assert_int_equal(require("policies", true), HF_OK);
	custodians(2, 2);
	assert_int_equal(do_partition_list(&anna, &(struct partition_list_req){ 0 }, &l), HF_OK);
	pq.serial = l.partitions.v[0].serial;
	assert_int_equal(do_policy_set(&anna, &pq, &pr), HF_E_QUORUM);
	assert_int_equal(give_to(&root, 0, 0), HF_OK);
	assert_int_equal(give_to(&root, 0, 1), HF_OK);
	assert_int_equal(do_policy_set(&root, &pq, &pr), HF_E_QUORUM);
	pq.so_pin = SLICE_STR("wrong-so-pin");
	assert_int_equal(do_policy_set(&anna, &pq, &pr), HF_E_QUORUM); /* another call */
	pq.so_pin = SLICE_STR(SO_PIN);
	assert_int_equal(do_policy_set(&anna, &pq, &pr), HF_OK);
}

/* --- roles -------------------------------------------------------------------------- */

static void split_user(void)
{
	struct role_quorum_req q = { SLICE_STR("user"), 2, 3, SLICE_NONE };
	struct role_quorum_res r;

	opens(&anna, 0, true);
	assert_int_equal(log_in(&anna, CKU_SO, SO_PIN), HF_OK);
	assert_int_equal(do_role_quorum(&anna, &q, &r), HF_OK);
	keep(r.shares);
	assert_int_equal(do_role_quorum_commit(&anna,
		&(struct role_quorum_commit_req){ SLICE_STR("user"), set_of(&r.shares) },
		&(struct role_quorum_commit_res){ 0 }), HF_OK);
	assert_int_equal(log_out(&anna), HF_OK);
}

static void a_role_is_opened_by_its_custodians(void **state)
{
	(void)state;
	split_user();
	assert_int_equal(log_in(&anna, CKU_USER, USER_PIN), HF_E_PIN_INCORRECT); /* the PIN before */
	assert_int_equal(log_in(&anna, CKU_USER, ""), HF_E_QUORUM);
	assert_int_equal(give_to(&root, waiting(), 2), HF_OK);
	assert_int_equal(log_in(&anna, CKU_USER, ""), HF_E_QUORUM);
	assert_int_equal(give_to(&root, waiting(), 0), HF_OK);
	assert_int_equal(log_in(&anna, CKU_USER, ""), HF_OK);
	assert_int_equal(makes(&anna, "mine", true), HF_OK);
	assert_int_equal(log_out(&anna), HF_OK);
	assert_int_equal(log_in(&anna, CKU_USER, ""), HF_E_QUORUM); /* once */
}

/* opened_by has the custodians of a role open it, once they are asked by log_in(who). */
static void opened_by_two(unsigned who)
{
	assert_int_equal(log_in(&anna, who, ""), HF_E_QUORUM);
	assert_int_equal(give_to(&root, waiting(), 0), HF_OK);
	assert_int_equal(give_to(&root, waiting(), 1), HF_OK);
	assert_int_equal(log_in(&anna, who, ""), HF_OK);
}

static enum hf_err begins(uint64_t key)
{
	struct sign_init_req q = { { CKM_ECDSA_SHA256, SLICE_NONE }, key };

	return do_sign_init(&anna, &q, &(struct sign_init_res){ 0 });
}

static enum hf_err ends(void)
{
	return do_sign(&anna, &(struct sign_req){ SLICE_STR("data"), 64 }, &(struct sign_res){ 0 });
}

static void each_use_may_want_the_custodians(void **state)
{
	static const uint8_t p256[] = { 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7 };
	struct key_pair_generate_req q = { { CKM_EC_KEY_PAIR_GEN, SLICE_NONE },
		TMPL(V(EC_PARAMS, SLICE_OF(p256))), TMPL(B(PRIVATE, 1), B(ALWAYS_AUTHENTICATE, 1)) };
	struct key_pair_generate_res r;

	(void)state;
	split_user();
	opened_by_two(CKU_USER);
	assert_int_equal(do_key_pair_generate(&anna, &q, &r), HF_OK);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(begins(r.private_key), HF_OK);
		opened_by_two(CKU_CONTEXT_SPECIFIC);
		assert_int_equal(ends(), HF_OK);
	}
	assert_int_equal(begins(r.private_key), HF_OK);
	assert_int_equal(log_in(&anna, CKU_CONTEXT_SPECIFIC, ""), HF_E_QUORUM);
	assert_int_equal(ends(), HF_E_NOT_LOGGED_IN);
}

static void shares_of_other_custodians_are_told(void **state)
{
	uint8_t role[SHARE_LEN];

	(void)state;
	split_user();
	memcpy(role, shares[0], SHARE_LEN);
	custodians(2, 3);
	assert_int_equal(log_in(&anna, CKU_USER, ""), HF_E_QUORUM);
	assert_int_equal(give_to(&root, waiting(), 1), HF_E_SHARE_OTHER);
	assert_int_equal(require("zeroize", true), HF_E_QUORUM);
	memcpy(shares[2], role, SHARE_LEN);
	assert_int_equal(give_to(&root, 0, 2), HF_OK); /* finds the request it is for */
	role[0] ^= 1;
	memcpy(shares[2], role, SHARE_LEN);
	assert_int_equal(give_to(&root, waiting(), 2), HF_E_SHARE_FOREIGN);
}

/* A request that has a share outlives any number that have none, of the same user too. */
static void what_has_a_share_is_not_crowded_out(void **state)
{
	struct policy_value change = { 20, 5 };
	struct partition_list_res l;
	struct policy_set_res pr;
	struct policy_set_req pq = { .so_pin = SLICE_STR(SO_PIN), .changes = { &change, 1 } };
	char pin[] = "wrong-pin-0";
	uint64_t id;

	(void)state;
	assert_int_equal(require("policies", true), HF_OK);
	split_user();
	custodians(2, 2);
	assert_int_equal(do_partition_list(&anna, &(struct partition_list_req){ 0 }, &l), HF_OK);
	pq.serial = l.partitions.v[0].serial;
	assert_int_equal(do_policy_set(&anna, &pq, &pr), HF_E_QUORUM);
	id = waiting();
	assert_int_equal(give_to(&root, id, 0), HF_OK);
	for (; pin[10] < '8'; pin[10]++) {
		assert_int_equal(log_in(&anna, CKU_USER, pin), HF_E_PIN_INCORRECT);
		pq.so_pin = slice_str(pin);
		assert_int_equal(do_policy_set(&anna, &pq, &pr), HF_E_QUORUM);
	}
	assert_int_equal(log_in(&anna, CKU_USER, ""), HF_E_QUORUM);
	assert_int_equal(log_in(&anna, CKU_USER, ""), HF_E_QUORUM); /* the same one */
	assert_int_equal(give_to(&root, id, 1), HF_OK);
	pq.so_pin = SLICE_STR(SO_PIN);
	assert_int_equal(do_policy_set(&anna, &pq, &pr), HF_OK);
}

static void a_role_without_custodians_takes_no_empty_pin(void **state)
{
	(void)state;
	opens(&anna, 0, true);
	for (int i = 0; i < 20; i++)
		assert_int_equal(log_in(&anna, CKU_USER, ""), HF_E_PIN_INCORRECT);
	assert_int_equal(log_in(&anna, CKU_USER, USER_PIN), HF_OK);
}

/* --- two ceremonies at once, of others ------------------------------------------------------ */

static enum hf_err commits_role(const struct role_quorum_commit_req *q)
{
	return do_role_quorum_commit(&anna, q, &(struct role_quorum_commit_res){ 0 });
}

/* A partition's officer begins and ends his while the HSM's is under way. */
static void ceremonies_of_others_do_not_meet(void **state)
{
	struct quorum_create_req q = { 2, 3, SLICE_NONE, false };
	struct role_quorum_req again = { SLICE_STR("user"), 2, 2, SLICE_NONE, false };
	struct role_quorum_commit_req mine = { SLICE_STR("user"), SLICE_NONE };
	struct quorum_create_res hsm;
	struct role_quorum_res role, none;

	(void)state;
	assert_int_equal(do_quorum_create(&root, &q, &hsm), HF_OK);
	opens(&anna, 0, true);
	assert_int_equal(log_in(&anna, CKU_SO, SO_PIN), HF_OK);
	assert_int_equal(do_role_quorum(&anna, &again, &role), HF_OK);
	assert_int_equal(do_role_quorum(&anna, &again, &none), HF_E_CEREMONY);
	mine.set = set_of(&hsm.shares);
	assert_int_equal(commits_role(&mine), HF_E_SET);
	mine = (struct role_quorum_commit_req){ SLICE_STR("so"), set_of(&role.shares) };
	assert_int_equal(commits_role(&mine), HF_E_SET);
	assert_int_equal(do_quorum_commit(&root, &(struct quorum_commit_req){ set_of(&hsm.shares) },
		&(struct quorum_commit_res){ 0 }), HF_OK);
	mine.name = SLICE_STR("user");
	assert_int_equal(commits_role(&mine), HF_OK);
	assert_int_equal(log_out(&anna), HF_OK);
	assert_int_equal(log_in(&anna, CKU_USER, ""), HF_E_QUORUM);
}

/* --- what they are told --------------------------------------------------------------------- */

/* told_for: is that what the only request is for? Forgets it. */
static void told_for(const char *text)
{
	struct quorum_status_req q = { 0 };
	struct quorum_status_res r;

	assert_int_equal(do_quorum_status(&root, &q, &r), HF_OK);
	assert_int_equal(r.asking.n, 1);
	if (!slice_eq(r.asking.v[0].what, slice_str(text)))
		fail_msg("'%.*s', not '%s'", (int)r.asking.v[0].what.n,
			(const char *)r.asking.v[0].what.p, text);
	assert_int_equal(do_quorum_cancel(&root, &(struct quorum_cancel_req){ r.asking.v[0].id },
		&(struct quorum_cancel_res){ 0 }), HF_OK);
}

static struct slice serial_of(uint64_t slot)
{
	struct partition_list_res l;

	assert_int_equal(do_partition_list(&root, &(struct partition_list_req){ 0 }, &l), HF_OK);
	for (size_t i = 0; i < l.partitions.n; i++)
		if (l.partitions.v[i].slot == slot)
			return l.partitions.v[i].serial;
	fail();
	return SLICE_NONE;
}

static const char *with_serial(const char *fmt)
{
	static char text[256];
	struct slice serial = serial_of(0);

	(void)snprintf(text, sizeof(text), fmt, (int)serial.n, (const char *)serial.p);
	return text;
}

static enum hf_err changes(unsigned what, const char *label)
{
	struct identity http = { 1, 33 };
	struct partition_change_req q = { serial_of(0), what, slice_str(label), false, 7, 0, { &http, 1 } };

	return do_partition_change(&root, &q, &(struct partition_change_res){ 0 });
}

static void a_partition_s_change_is_told(void **state)
{
	(void)state;
	assert_int_equal(require("partition-change", true), HF_OK);
	custodians(2, 2);
	assert_int_equal(changes(1, "pay\"; disabled"), HF_E_QUORUM);
	told_for(with_serial("partition-change of %.*s, \"test\"; label: \"pay'; disabled\""));
	assert_int_equal(changes(2, ""), HF_E_QUORUM);
	told_for(with_serial("partition-change of %.*s, \"test\"; disabled"));
	assert_int_equal(changes(4 | 8, ""), HF_E_QUORUM);
	told_for(with_serial("partition-change of %.*s, \"test\"; objects: 7; bytes: as the HSM has it; "
		"clients: uid:33"));
}

static void a_partition_is_told(void **state)
{
	struct identity http[] = { { 1, 33 }, { 2, 8 } };
	struct partition_create_req q = { SLICE_STR("zz"), SLICE_STR(SO_PIN), SLICE_STR(USER_PIN),
		{ http, 2 } };
	struct partition_delete_req d;

	(void)state;
	assert_int_equal(require("partition-create", true), HF_OK);
	assert_int_equal(require("partition-delete", true), HF_OK);
	custodians(2, 2);
	assert_int_equal(do_partition_create(&root, &q, &(struct partition_create_res){ 0 }), HF_E_QUORUM);
	told_for("partition-create \"zz\", clients: uid:33,gid:8; with a crypto officer's PIN");
	d.serial = serial_of(0);
	assert_int_equal(do_partition_delete(&root, &d, &(struct partition_delete_res){ 0 }), HF_E_QUORUM);
	told_for(with_serial("partition-delete %.*s, \"test\""));
}

static void an_unlock_method_is_told(void **state)
{
	struct unlock_add_req add = { .by = 2, .secret = SLICE_STR("some words") };

	(void)state;
	custodians(2, 2);
	assert_int_equal(do_unlock_add(&root, &add, &(struct unlock_add_res){ 0 }), HF_E_QUORUM);
	told_for("unlock-method-add: a passphrase");
	assert_int_equal(do_unlock_remove(&root, &(struct unlock_remove_req){ 0 },
		&(struct unlock_remove_res){ 0 }), HF_E_QUORUM);
	told_for("unlock-method-remove: method 0, by 2 of 2 custodians");
	assert_int_equal(do_passphrase_set(&root, &(struct passphrase_set_req){ SLICE_STR("some words") },
		&(struct passphrase_set_res){ 0 }), HF_E_QUORUM);
	told_for("unlock-method: a passphrase, in the place of all other methods");
}

/* Nobody agrees to what he does not see to its end. */
static void what_cannot_be_shown_is_refused(void **state)
{
	struct policy_value many[200];
	struct policy_set_req q = { .so_pin = SLICE_STR(SO_PIN), .changes = { many, 200 } };

	(void)state;
	for (size_t i = 0; i < 200; i++)
		many[i] = (struct policy_value){ 20, 5 };
	assert_int_equal(require("policies", true), HF_OK);
	custodians(2, 2);
	q.serial = serial_of(0);
	assert_int_equal(do_policy_set(&anna, &q, &(struct policy_set_res){ 0 }), HF_E_LIMIT);
	assert_int_equal(waiting(), 0);
	q.changes.n = 1;
	assert_int_equal(do_policy_set(&anna, &q, &(struct policy_set_res){ 0 }), HF_E_QUORUM);
}

/* --- C_InitToken ------------------------------------------------------------------------- */

static enum hf_err inits(uint64_t slot)
{
	struct token_init_req q = { slot, SLICE_STR(SO_PIN), SLICE_STR("new                             ") };

	return do_token_init(&anna, &q, &(struct token_init_res){ 0 });
}

static void init_token_takes_their_consent(void **state)
{
	struct why_res why;
	uint64_t id;

	(void)state;
	assert_int_equal(require("partition-create", true), HF_OK);
	assert_int_equal(require("partition-delete", true), HF_OK);
	custodians(2, 2);
	assert_int_equal(inits(1), HF_E_QUORUM);
	assert_int_equal(do_why(&anna, &(struct why_req){ 0 }, &why), HF_OK);
	assert_non_null(memmem(why.why.p, why.why.n, "consent partition-create", 24));
	told_for("partition-create by C_InitToken, clients: uid:1000, label \"new\"");
	assert_int_equal(inits(0), HF_E_QUORUM);
	told_for(with_serial("partition-delete in partition %.*s: C_InitToken destroys all objects in it; "
		"its label becomes \"new\""));
	assert_int_equal(inits(1), HF_E_QUORUM);
	id = waiting();
	assert_int_equal(give_to(&root, id, 0), HF_OK);
	assert_int_equal(give_to(&root, id, 1), HF_OK);
	assert_int_equal(inits(0), HF_E_QUORUM); /* it is another's */
	assert_int_equal(inits(1), HF_OK);
	assert_int_equal(inits(1), HF_E_QUORUM);
}

static void init_token_takes_none_where_none_is_required(void **state)
{
	(void)state;
	custodians(2, 2);
	assert_int_equal(inits(1), HF_OK);
	assert_int_equal(inits(1), HF_OK);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(consent_is_for_these_fields),
		T(an_approval_is_not_used_twice),
		T(a_duplicate_counts_once),
		T(the_time_forgets_shares_and_consent),
		T(a_restart_forgets_requests),
		T(a_request_is_cancelled_by_its_owner),
		T(what_is_required_survives_a_restart),
		T(another_user_does_not_use_it),
		T(a_role_is_opened_by_its_custodians),
		T(what_has_a_share_is_not_crowded_out),
		T(each_use_may_want_the_custodians),
		T(shares_of_other_custodians_are_told),
		T(a_role_without_custodians_takes_no_empty_pin),
		T(nobody_is_asked_for_what_cannot_be),
		T(ceremonies_of_others_do_not_meet),
		T(a_partition_s_change_is_told),
		T(a_partition_is_told),
		T(an_unlock_method_is_told),
		T(what_cannot_be_shown_is_refused),
		T(init_token_takes_their_consent),
		T(init_token_takes_none_where_none_is_required),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
