/* Consent: to one request, of one user, once, in time; and roles that custodians open. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
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
	assert_int_equal(do_quorum_commit(&root, &(struct quorum_commit_req){ 0 },
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
	assert_int_equal(require("zeroize", false), HF_E_QUORUM);
	assert_int_equal(require("policies", true), HF_E_QUORUM);
	assert_int_equal(require("zeroize", true), HF_OK);
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
	assert_int_equal(require("nonsense", true), HF_E_ARGUMENTS);
	assert_int_equal(require("custodians", false), HF_E_ARGUMENTS);
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
	assert_int_equal(do_role_quorum_commit(&anna, &(struct role_quorum_commit_req){ SLICE_STR("user") },
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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
