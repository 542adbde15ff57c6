/* Custodians: M of N unlock, and agree; a share that is not right is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "box.h"
#include "quorum.h"

static struct box box;
static struct who root;
static uint8_t shares[SHAMIR_MAX][SHARE_LEN];

static int setup(void **state)
{
	(void)state;
	box_new(&box);
	who_comes(&root, &box, ADMIN, 9);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	who_leaves(&root);
	box_free(&box);
	return 0;
}

static void restart(void)
{
	who_leaves(&root);
	box_restart(&box);
	who_comes(&root, &box, ADMIN, 9);
}

static enum hf_err commits(struct who *w, const struct share_list *l)
{
	const struct quorum_commit_req q = { set_of(l) };

	return do_quorum_commit(w, &q, &(struct quorum_commit_res){ 0 });
}

static enum hf_err create(uint8_t m, uint8_t n)
{
	struct quorum_create_req q = { m, n, SLICE_NONE };
	struct quorum_create_res r;

	TRY(do_quorum_create(&root, &q, &r));
	assert_int_equal(r.shares.n, n);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(r.shares.v[i].share.n, SHARE_LEN);
		memcpy(shares[i], r.shares.v[i].share.p, SHARE_LEN);
	}
	return commits(&root, &r.shares);
}

static enum hf_err give(size_t i)
{
	struct quorum_share_req q = { 0, SLICE_OF(shares[i]) };
	struct quorum_share_res r;

	return do_quorum_share(&root, &q, &r);
}

static bool locked(void)
{
	struct partition_list_req q = { 0 };
	struct partition_list_res r;

	return do_partition_list(&root, &q, &r) == HF_E_LOCKED;
}

static void any_three_of_five_unlock(void **state)
{
	unsigned tried = 0;

	(void)state;
	assert_int_equal(create(3, 5), HF_OK);
	for (unsigned mask = 0; mask < 32; mask++) {
		if (__builtin_popcount(mask) != 3)
			continue;
		restart();
		for (size_t i = 0; i < 5; i++) {
			assert_true(locked());
			if ((mask >> i & 1) != 0)
				assert_int_equal(give(i), HF_OK);
			if (mask >> (i + 1) == 0)
				break;
		}
		assert_false(locked());
		tried++;
	}
	assert_int_equal(tried, 10);
}

static void two_are_not_three(void **state)
{
	(void)state;
	assert_int_equal(create(3, 5), HF_OK);
	restart();
	assert_int_equal(give(0), HF_OK);
	assert_int_equal(give(1), HF_OK);
	assert_true(locked());
	assert_int_equal(give(1), HF_E_SHARE_TWICE);
	assert_true(locked());
	assert_int_equal(give(4), HF_OK);
	assert_false(locked());
}

static void a_wrong_share_is_told_and_not_joined(void **state)
{
	(void)state;
	assert_int_equal(create(2, 3), HF_OK);
	restart();
	shares[0][SHARE_LEN - 1] ^= 1;
	assert_int_equal(give(0), HF_E_SHARE_WRONG);
	shares[0][SHARE_LEN - 1] ^= 1;
	shares[1][QUORUM_ID] = 7; /* its number */
	assert_int_equal(give(1), HF_E_SHARE_WRONG);
	shares[1][QUORUM_ID] = 0;
	assert_int_equal(give(1), HF_E_SHARE_WRONG);
	shares[2][0] ^= 1;
	assert_int_equal(give(2), HF_E_SHARE_FOREIGN);
	shares[2][0] ^= 1;
	assert_int_equal(give(0), HF_OK);
	assert_int_equal(give(2), HF_OK);
	assert_false(locked());
}

static void a_share_of_no_length(void **state)
{
	struct quorum_share_req q = { 0, SLICE_STR("short") };
	struct quorum_share_res r;

	(void)state;
	assert_int_equal(do_quorum_share(&root, &q, &r), HF_E_STATE); /* no custodians here */
	assert_int_equal(create(2, 2), HF_OK);
	assert_int_equal(do_quorum_share(&root, &q, &r), HF_E_SHARE_FOREIGN);
}

static void numbers_that_cannot_be(void **state)
{
	(void)state;
	assert_int_equal(create(1, 3), HF_E_ARGUMENTS);
	assert_int_equal(create(4, 3), HF_E_ARGUMENTS);
	assert_int_equal(create(2, 17), HF_E_ARGUMENTS);
	assert_int_equal(create(16, 16), HF_OK);
}

static enum hf_err passphrase(const char *s)
{
	struct passphrase_set_req q = { slice_str(s) };
	struct passphrase_set_res r;

	return do_passphrase_set(&root, &q, &r);
}

static void changes_need_consent(void **state)
{
	(void)state;
	assert_int_equal(create(2, 3), HF_OK);
	assert_int_equal(create(2, 4), HF_E_QUORUM);
	assert_int_equal(give(0), HF_OK);
	assert_int_equal(create(2, 4), HF_E_QUORUM);
	assert_int_equal(give(2), HF_OK);
	assert_int_equal(passphrase("a passphrase"), HF_E_QUORUM); /* another thing */
	assert_int_equal(create(2, 4), HF_OK);
	assert_int_equal(create(2, 5), HF_E_QUORUM); /* once */
}

static void replaced_custodians_open_nothing(void **state)
{
	uint8_t old[2][SHARE_LEN];

	(void)state;
	assert_int_equal(create(2, 2), HF_OK);
	memcpy(old, shares, sizeof(old));
	assert_int_equal(create(2, 3), HF_E_QUORUM);
	assert_int_equal(give(0), HF_OK);
	assert_int_equal(give(1), HF_OK);
	assert_int_equal(create(2, 3), HF_OK);
	restart();
	memcpy(shares[2], old[0], SHARE_LEN);
	assert_int_equal(give(2), HF_E_SHARE_OLD);
	assert_int_equal(give(0), HF_OK);
	assert_int_equal(give(1), HF_OK);
	assert_false(locked());
}

static void back_to_a_passphrase(void **state)
{
	struct unlock_req u = { SLICE_STR("a passphrase") };
	struct unlock_res ur;

	(void)state;
	assert_int_equal(create(2, 2), HF_OK);
	restart();
	assert_int_equal(do_unlock(&root, &u, &ur), HF_E_STATE);
	assert_int_equal(give(0), HF_OK);
	assert_int_equal(give(1), HF_OK);
	assert_int_equal(passphrase("a passphrase"), HF_E_QUORUM); /* unlocking is no consent */
	assert_int_equal(give(0), HF_OK);
	assert_int_equal(give(1), HF_OK);
	assert_int_equal(passphrase("a passphrase"), HF_OK);
	restart();
	assert_int_equal(give(0), HF_E_STATE);
	assert_int_equal(do_unlock(&root, &u, &ur), HF_OK);
}

static void nothing_changes_before_the_shares_are_safe(void **state)
{
	struct quorum_create_req q = { 2, 3, SLICE_NONE, false };
	struct quorum_create_res r;
	struct quorum_commit_req none = { SLICE_NONE };

	(void)state;
	assert_int_equal(do_quorum_commit(&root, &none, &(struct quorum_commit_res){ 0 }), HF_E_SET);
	assert_int_equal(do_quorum_create(&root, &q, &r), HF_OK);
	assert_int_equal(do_quorum_commit(&root, &none, &(struct quorum_commit_res){ 0 }), HF_E_SET);
	memcpy(shares[0], r.shares.v[0].share.p, SHARE_LEN);
	none.set = (struct slice){ shares[0], QUORUM_ID };
	restart();
	assert_false(locked());
	assert_int_equal(do_quorum_commit(&root, &none, &(struct quorum_commit_res){ 0 }), HF_E_SET);
}

/* --- two ceremonies at once -------------------------------------------------------------- */

static enum hf_err deals(struct who *w, uint8_t n, bool again, struct share_list *ret)
{
	struct quorum_create_req q = { 2, n, SLICE_NONE, again };
	struct quorum_create_res r;

	TRY(do_quorum_create(w, &q, &r));
	*ret = r.shares;
	return HF_OK;
}

static enum hf_err forgets(struct who *w, const struct share_list *l)
{
	const struct quorum_forget_req q = { set_of(l) };

	return do_quorum_forget(w, &q, &(struct quorum_forget_res){ 0 });
}

#define UNDER_WAY "uid 0 began to deal 2 of 3 custodians' shares"

static void a_second_one_waits_for_the_first(void **state)
{
	struct share_list first, second;
	struct why_res why;

	(void)state;
	assert_int_equal(deals(&root, 3, false, &first), HF_OK);
	assert_int_equal(deals(&root, 2, false, &second), HF_E_CEREMONY);
	assert_int_equal(do_why(&root, &(struct why_req){ 0 }, &why), HF_OK);
	assert_non_null(memmem(why.why.p, why.why.n, SLICE_STR(UNDER_WAY).p, sizeof(UNDER_WAY) - 1));
	assert_int_equal(commits(&root, &first), HF_OK);
	assert_int_equal(commits(&root, &first), HF_E_SET);
}

/* What was given up never comes into force, and what comes into force is what was kept. */
static void one_that_was_given_up_changes_nothing(void **state)
{
	struct share_list first, second;

	(void)state;
	assert_int_equal(deals(&root, 3, false, &first), HF_OK);
	assert_int_equal(deals(&root, 2, true, &second), HF_OK);
	assert_int_equal(commits(&root, &first), HF_E_SET);
	restart();
	assert_false(locked());
	assert_int_equal(deals(&root, 3, false, &first), HF_OK);
	assert_int_equal(deals(&root, 2, true, &second), HF_OK);
	for (size_t i = 0; i < 2; i++)
		memcpy(shares[i], second.v[i].share.p, SHARE_LEN);
	assert_int_equal(commits(&root, &second), HF_OK);
	restart();
	assert_true(locked());
	assert_int_equal(give(0), HF_OK);
	assert_int_equal(give(1), HF_OK);
	assert_false(locked());
}

static void a_ceremony_is_forgotten_by_whose_it_is(void **state)
{
	struct share_list first, second;
	struct who other;

	(void)state;
	who_comes(&other, &box, OWNER, 5);
	assert_int_equal(deals(&root, 3, false, &first), HF_OK);
	assert_int_equal(forgets(&other, &first), HF_E_DENIED);
	assert_int_equal(forgets(&root, &first), HF_OK);
	assert_int_equal(forgets(&root, &first), HF_E_SET);
	assert_int_equal(deals(&root, 2, false, &second), HF_OK);
	assert_int_equal(commits(&root, &first), HF_E_SET);
	assert_int_equal(commits(&root, &second), HF_OK);
	who_leaves(&other);
}

static void one_whose_time_is_over_may_be_replaced(void **state)
{
	struct share_list first, second;

	(void)state;
	box.cfg.quorum_s = 0;
	restart();
	assert_int_equal(deals(&root, 3, false, &first), HF_OK);
	assert_int_equal(deals(&root, 2, false, &second), HF_OK);
	assert_int_equal(commits(&root, &first), HF_E_SET);
	assert_int_equal(commits(&root, &second), HF_OK);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(any_three_of_five_unlock),
		T(two_are_not_three),
		T(a_wrong_share_is_told_and_not_joined),
		T(a_share_of_no_length),
		T(numbers_that_cannot_be),
		T(changes_need_consent),
		T(replaced_custodians_open_nothing),
		T(back_to_a_passphrase),
		T(nothing_changes_before_the_shares_are_safe),
		T(a_second_one_waits_for_the_first),
		T(one_that_was_given_up_changes_nothing),
		T(a_ceremony_is_forgotten_by_whose_it_is),
		T(one_whose_time_is_over_may_be_replaced),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
