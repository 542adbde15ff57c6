/* Clones: what a vault gives to another one of its domain, and takes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "backup.h"
#include "box.h"
#include "crypto.h"
#include "tmpl.h"

static struct box box[2];
static struct who root[2], anna[2];

static void come(size_t i)
{
	who_comes(&root[i], &box[i], ADMIN, 9);
	who_comes(&anna[i], &box[i], OWNER, 1);
}

static void leave(size_t i)
{
	who_leaves(&anna[i]);
	who_leaves(&root[i]);
}

static struct slice fingerprint(struct who *w, struct slice message)
{
	uint8_t hash[CRYPTO_HASH];
	struct slice s;

	assert_int_equal(crypto_sha256(message, hash), HF_OK);
	assert_int_equal(arena_dup(&w->arena, (struct slice){ hash, 16 }, &s), HF_OK);
	return s;
}

static void join(void)
{
	struct domain_create_req make = { SLICE_STR("production") };
	struct domain_request_res asked;
	struct domain_admit_req q = { .domain = SLICE_STR("production") };
	struct domain_admit_res r;
	struct domain_join_req j;

	assert_int_equal(do_domain_create(&root[0], &make, &(struct domain_create_res){ 0 }), HF_OK);
	assert_int_equal(do_domain_request(&root[1], &(struct domain_request_req){ 0 }, &asked), HF_OK);
	q.request = asked.request;
	q.fingerprint = fingerprint(&root[0], q.request);
	assert_int_equal(do_domain_admit(&root[0], &q, &r), HF_OK);
	j = (struct domain_join_req){ r.answer, fingerprint(&root[1], r.answer) };
	assert_int_equal(do_domain_join(&root[1], &j, &(struct domain_join_res){ 0 }), HF_OK);
}

static void assign(struct who *w)
{
	struct partition_list_res r;
	struct partition_domain_req q = { .domain = SLICE_STR("production"), .so_pin = SLICE_STR(SO_PIN) };

	assert_int_equal(do_partition_list(w, &(struct partition_list_req){ 0 }, &r), HF_OK);
	q.serial = r.partitions.v[0].serial;
	assert_int_equal(do_partition_domain(w, &q, &(struct partition_domain_res){ 0 }), HF_OK);
}

static void enter(struct who *w, bool rw)
{
	opens(w, 0, rw);
	logs_in(w, CKU_USER, USER_PIN, NULL);
}

static int setup(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		box_new(&box[i]);
		come(i);
		ready(&anna[i], 0);
	}
	join();
	for (size_t i = 0; i < 2; i++) {
		assign(&anna[i]);
		enter(&anna[i], true);
	}
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		leave(i);
		box_free(&box[i]);
	}
	return 0;
}

/* --- in few words --------------------------------------------------------------------------------- */

static enum hf_err asks(struct who *w, struct slice *ret)
{
	struct clone_request_res r = { 0 };
	enum hf_err e = do_clone_request(w, &(struct clone_request_req){ 0 }, &r);

	*ret = r.request;
	return e;
}

static struct slice asked(void)
{
	struct slice s;

	assert_int_equal(asks(&anna[1], &s), HF_OK);
	return s;
}

static enum hf_err begins(struct who *w, struct slice request, struct clone_begin_res *ret)
{
	struct clone_begin_req q = { .request = request };

	return do_clone_begin(w, &q, ret);
}

static struct slice begun(void)
{
	struct clone_begin_res r;

	assert_int_equal(begins(&anna[0], asked(), &r), HF_OK);
	return r.header;
}

static enum hf_err takes(struct who *w, struct slice header, enum restore_collision rule, bool dry)
{
	struct clone_take_req q = { header, (uint8_t)rule, dry };

	return do_clone_take(w, &q, &(struct clone_take_res){ 0 });
}

/* step takes one frame over. */
struct stepped {
	struct restore_next_res told;
	bool last;
};
static struct stepped step(void)
{
	struct backup_next_res r;
	struct restore_next_req q;
	struct stepped s;

	assert_int_equal(do_backup_next(&anna[0], &(struct backup_next_req){ 0 }, &r), HF_OK);
	q.frame = r.frame;
	assert_int_equal(do_restore_next(&anna[1], &q, &s.told), HF_OK);
	s.last = r.last;
	return s;
}

/* carry takes all frames over, and tells what became of the last object. */
static enum restore_outcome carry(void)
{
	enum restore_outcome last = RESTORED_COLLIDES;
	struct stepped s = { 0 };

	while (!s.last) {
		s = step();
		if (s.told.objects.n > 0)
			last = (enum restore_outcome)s.told.objects.v[s.told.objects.n - 1].outcome;
	}
	return last;
}

static enum restore_outcome cloned(enum restore_collision rule)
{
	assert_int_equal(takes(&anna[1], begun(), rule, false), HF_OK);
	return carry();
}

static uint64_t generates(struct who *w)
{
	struct key_generate_req q = { { CKM_AES_KEY_GEN, SLICE_NONE },
		TMPL(U(VALUE_LEN, 32), B(TOKEN, 1), B(PRIVATE, 1), B(EXTRACTABLE, 1), B(SENSITIVE, 0)) };
	struct key_generate_res r;

	assert_int_equal(do_key_generate(w, &q, &r), HF_OK);
	return r.key;
}

static enum hf_err sets(struct who *w, uint64_t object, struct attr_list t)
{
	struct attr_set_req q = { object, t };

	return do_attr_set(w, &q, &(struct attr_set_res){ 0 });
}

/* --- what comes ----------------------------------------------------------------------------------------- */

static void an_object_keeps_its_handle(void **state)
{
	uint64_t key;

	(void)state;
	key = generates(&anna[0]);
	assert_int_equal(finds(&anna[1]), 0);
	assert_int_equal(cloned(RESTORE_FAIL), RESTORED_NEW);
	assert_int_equal(finds(&anna[1]), 1);
	assert_int_equal(sets(&anna[1], key, TMPL(S(LABEL, "there"))), HF_OK);
	assert_int_equal(cloned(RESTORE_SKIP), RESTORED_KEPT);
}

static void nothing_is_widened(void **state)
{
	uint64_t key;

	(void)state;
	key = generates(&anna[0]);
	assert_int_equal(cloned(RESTORE_FAIL), RESTORED_NEW);
	assert_int_equal(sets(&anna[1], key, TMPL(B(EXTRACTABLE, 0))), HF_OK);
	assert_int_equal(cloned(RESTORE_REPLACE), RESTORED_STRICTER);
	assert_int_equal(sets(&anna[1], key, TMPL(B(EXTRACTABLE, 1))), HF_E_ATTR_READ_ONLY);
	assert_int_equal(sets(&anna[0], key, TMPL(B(EXTRACTABLE, 0))), HF_OK);
	assert_int_equal(cloned(RESTORE_REPLACE), RESTORED_SAME);
}

static void a_dry_run_writes_nothing_and_the_request_waits(void **state)
{
	struct slice header;

	(void)state;
	(void)generates(&anna[0]);
	header = begun();
	assert_int_equal(takes(&anna[1], header, RESTORE_FAIL, true), HF_OK);
	assert_int_equal(carry(), RESTORED_NEW);
	assert_int_equal(finds(&anna[1]), 0);
	assert_int_equal(takes(&anna[1], header, RESTORE_FAIL, false), HF_OK);
	assert_int_equal(takes(&anna[1], header, RESTORE_FAIL, true), HF_E_CLONE_ANSWER);
}

static void a_request_waits_over_a_restart(void **state)
{
	struct slice header;

	(void)state;
	(void)generates(&anna[0]);
	header = begun();
	leave(1);
	box_restart(&box[1]);
	come(1);
	enter(&anna[1], true);
	assert_int_equal(takes(&anna[1], header, RESTORE_FAIL, true), HF_OK);
}

/* What came of it before is met by the next one as the same. */
static void one_that_was_cut_short_is_asked_for_anew(void **state)
{
	struct slice header;
	struct restore_next_res s = { 0 };

	(void)state;
	(void)generates(&anna[0]);
	header = begun();
	assert_int_equal(takes(&anna[1], header, RESTORE_FAIL, false), HF_OK);
	while (s.objects.n == 0)
		s = step().told;
	assert_int_equal(finds(&anna[1]), 1);
	assert_int_equal(closes(&anna[1]), HF_OK);
	enter(&anna[1], true);
	assert_int_equal(takes(&anna[1], header, RESTORE_FAIL, false), HF_E_CLONE_ANSWER);
	assert_int_equal(cloned(RESTORE_FAIL), RESTORED_SAME);
}

/* --- what does not ------------------------------------------------------------------------- */

static void a_session_that_may_not_write_takes_nothing(void **state)
{
	struct slice header;

	(void)state;
	(void)generates(&anna[0]);
	header = begun();
	assert_int_equal(closes(&anna[1]), HF_OK);
	enter(&anna[1], false);
	assert_int_equal(takes(&anna[1], header, RESTORE_FAIL, false), HF_E_SESSION_RO);
}

static void nobody_but_the_crypto_officer(void **state)
{
	struct slice request, header;
	struct clone_begin_res r;

	(void)state;
	request = asked();
	header = begun();
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(log_out(&anna[i]), HF_OK);
	for (unsigned as_officer = 0; as_officer < 2; as_officer++) {
		assert_int_equal(begins(&anna[0], request, &r), HF_E_NOT_LOGGED_IN);
		assert_int_equal(takes(&anna[1], header, RESTORE_FAIL, false), HF_E_NOT_LOGGED_IN);
		assert_int_equal(asks(&anna[1], &request), HF_E_NOT_LOGGED_IN);
		if (as_officer == 0)
			for (size_t i = 0; i < 2; i++)
				logs_in(&anna[i], CKU_SO, SO_PIN, NULL);
	}
}

static void each_altered_byte_of_a_request_is_noticed(void **state)
{
	struct slice request, bad;
	struct clone_begin_res r;

	(void)state;
	request = asked();
	for (size_t i = 0; i < request.n; i += i < 90 ? 1 : 61) {
		enum hf_err e;

		assert_int_equal(arena_dup(&anna[0].arena, request, &bad), HF_OK);
		((uint8_t *)(uintptr_t)bad.p)[i] ^= 1;
		e = begins(&anna[0], bad, &r);
		assert_true(e == HF_E_CLONE_REQUEST || e == HF_E_CLONE_DOMAIN);
	}
	request.n--;
	assert_int_equal(begins(&anna[0], request, &r), HF_E_CLONE_REQUEST);
}

static void each_altered_byte_of_a_header_is_noticed(void **state)
{
	struct slice header, bad;

	(void)state;
	(void)generates(&anna[0]);
	header = begun();
	for (size_t i = 0; i < header.n; i += 13) {
		assert_int_equal(arena_dup(&anna[1].arena, header, &bad), HF_OK);
		((uint8_t *)(uintptr_t)bad.p)[i] ^= 1;
		assert_int_not_equal(takes(&anna[1], bad, RESTORE_FAIL, false), HF_OK);
	}
	assert_int_equal(takes(&anna[1], header, RESTORE_FAIL, false), HF_OK);
}

static void a_partition_that_changed_its_domain_takes_nothing(void **state)
{
	struct partition_list_res l;
	struct partition_domain_req q = { .domain = SLICE_STR("other"), .so_pin = SLICE_STR(SO_PIN) };
	struct slice header;

	(void)state;
	(void)generates(&anna[0]);
	header = begun();
	assert_int_equal(do_domain_create(&root[1], &(struct domain_create_req){ SLICE_STR("other") },
		&(struct domain_create_res){ 0 }), HF_OK);
	assert_int_equal(do_partition_list(&anna[1], &(struct partition_list_req){ 0 }, &l), HF_OK);
	q.serial = l.partitions.v[0].serial;
	assert_int_equal(do_partition_domain(&anna[1], &q, &(struct partition_domain_res){ 0 }), HF_OK);
	assert_int_equal(takes(&anna[1], header, RESTORE_FAIL, false), HF_E_CLONE_DOMAIN);
}

static void a_backup_is_sealed_to_no_member(void **state)
{
	struct slice request = asked();
	struct recipient to = { 4, SLICE_NONE, request };
	struct backup_begin_req q = { .to = { &to, 1 } };
	struct backup_begin_res r;

	(void)state;
	who_leaves(&anna[0]);
	who_comes(&anna[0], &box[0], ADMIN, 1);
	enter(&anna[0], true);
	assert_int_equal(do_backup_begin(&anna[0], &q, &r), HF_E_ARGUMENTS);
}

static void requires(struct who *w, const char *name)
{
	struct consent_set_req q = { slice_str(name), true };

	assert_int_equal(do_consent_set(w, &q, &(struct consent_set_res){ 0 }), HF_OK);
}

/* They agree to one request, not to any. */
static void custodians_agree_to_one_clone(void **state)
{
	struct quorum_create_req q = { 2, 2, SLICE_NONE };
	struct clone_begin_res r;
	struct quorum_create_res shares;
	struct slice request;

	(void)state;
	(void)generates(&anna[0]);
	requires(&root[0], "clone");
	assert_int_equal(do_quorum_create(&root[0], &q, &shares), HF_OK);
	assert_int_equal(do_quorum_commit(&root[0], &(struct quorum_commit_req){ set_of(&shares.shares) },
		&(struct quorum_commit_res){ 0 }), HF_OK);
	request = asked();
	assert_int_equal(begins(&anna[0], request, &r), HF_E_QUORUM);
	for (size_t i = 0; i < 2; i++) {
		struct quorum_share_req s = { 0, shares.shares.v[i].share };

		assert_int_equal(do_quorum_share(&root[0], &s, &(struct quorum_share_res){ 0 }), HF_OK);
	}
	assert_int_equal(begins(&anna[0], asked(), &r), HF_E_QUORUM);
	assert_int_equal(begins(&anna[0], request, &r), HF_OK);
}

static void custodians_are_not_asked_for_a_dry_run(void **state)
{
	struct quorum_create_req q = { 2, 2, SLICE_NONE };
	struct quorum_create_res shares;
	struct slice header;

	(void)state;
	requires(&root[1], "clone-receive");
	assert_int_equal(do_quorum_create(&root[1], &q, &shares), HF_OK);
	assert_int_equal(do_quorum_commit(&root[1], &(struct quorum_commit_req){ set_of(&shares.shares) },
		&(struct quorum_commit_res){ 0 }), HF_OK);
	header = begun();
	assert_int_equal(takes(&anna[1], header, RESTORE_FAIL, true), HF_OK);
	assert_int_equal(takes(&anna[1], header, RESTORE_FAIL, false), HF_E_QUORUM);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(an_object_keeps_its_handle),
		T(nothing_is_widened),
		T(a_dry_run_writes_nothing_and_the_request_waits),
		T(a_request_waits_over_a_restart),
		T(one_that_was_cut_short_is_asked_for_anew),
		T(a_session_that_may_not_write_takes_nothing),
		T(nobody_but_the_crypto_officer),
		T(each_altered_byte_of_a_request_is_noticed),
		T(each_altered_byte_of_a_header_is_noticed),
		T(a_partition_that_changed_its_domain_takes_nothing),
		T(a_backup_is_sealed_to_no_member),
		T(custodians_agree_to_one_clone),
		T(custodians_are_not_asked_for_a_dry_run),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
