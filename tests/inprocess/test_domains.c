/* Security domains: who joins, and what stands between two HSMs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "box.h"
#include "crypto.h"

#define WORKER 1001u /* administers nothing */
#define FINGERPRINT 16u

/* Two HSMs with a partition each, and a third who is nobody's friend. */
static struct box box[3];
static struct who root[3], anna[3];

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

static int setup(void **state)
{
	(void)state;
	for (size_t i = 0; i < 3; i++) {
		box_new(&box[i]);
		come(i);
		ready(&anna[i], 0);
	}
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	for (size_t i = 0; i < 3; i++) {
		leave(i);
		box_free(&box[i]);
	}
	return 0;
}

static void restart(size_t i)
{
	leave(i);
	box_restart(&box[i]);
	come(i);
}

static enum hf_err create(struct who *w, const char *name)
{
	struct domain_create_req q = { slice_str(name) };

	return do_domain_create(w, &q, &(struct domain_create_res){ 0 });
}

static struct domain_info_list domains(struct who *w)
{
	struct domain_list_res r;

	assert_int_equal(do_domain_list(w, &(struct domain_list_req){ 0 }, &r), HF_OK);
	return r.domains;
}

static struct slice asks(struct who *w)
{
	struct domain_request_res r;

	assert_int_equal(do_domain_request(w, &(struct domain_request_req){ 0 }, &r), HF_OK);
	return r.request;
}

static struct slice fingerprint(struct who *w, struct slice message)
{
	uint8_t hash[CRYPTO_HASH];
	struct slice s;

	assert_int_equal(crypto_sha256(message, hash), HF_OK);
	assert_int_equal(arena_dup(&w->arena, (struct slice){ hash, FINGERPRINT }, &s), HF_OK);
	return s;
}

static enum hf_err admits(struct who *w, const char *name, struct slice request, struct slice *ret)
{
	struct domain_admit_req q = { slice_str(name), request, fingerprint(w, request) };
	struct domain_admit_res r = { 0 };
	enum hf_err e = do_domain_admit(w, &q, &r);

	*ret = r.answer;
	return e;
}

static enum hf_err joins(struct who *w, struct slice answer)
{
	struct domain_join_req q = { answer, fingerprint(w, answer) };

	return do_domain_join(w, &q, &(struct domain_join_res){ 0 });
}

/* together: the second is in the first's domain. */
static void together(void)
{
	struct slice answer;

	assert_int_equal(create(&root[0], "production"), HF_OK);
	assert_int_equal(admits(&root[0], "production", asks(&root[1]), &answer), HF_OK);
	assert_int_equal(joins(&root[1], answer), HF_OK);
}

static struct partition_info partition(struct who *w)
{
	struct partition_list_res r;

	assert_int_equal(do_partition_list(w, &(struct partition_list_req){ 0 }, &r), HF_OK);
	assert_int_equal(r.partitions.n, 1);
	return r.partitions.v[0];
}

static enum hf_err assigns_by(struct who *w, const char *domain, const char *pin)
{
	struct partition_domain_req q = { partition(w).serial, slice_str(domain), slice_str(pin) };

	return do_partition_domain(w, &q, &(struct partition_domain_res){ 0 });
}

static enum hf_err assigns(struct who *w, const char *domain)
{
	return assigns_by(w, domain, SO_PIN);
}

/* altered gives the message with one bit of that byte turned over. */
static struct slice altered(struct who *w, struct slice message, size_t at)
{
	struct slice s;

	assert_int_equal(arena_dup(&w->arena, message, &s), HF_OK);
	((uint8_t *)(uintptr_t)s.p)[at] ^= 1;
	return s;
}

static void domain_is(struct who *w, const char *name)
{
	struct slice d = partition(w).domain;

	assert_true(slice_eq(d, slice_str(name)));
}

/* --- joining ------------------------------------------------------------------------------------ */

static void a_domain_is_made_and_survives(void **state)
{
	(void)state;
	assert_int_equal(domains(&root[0]).n, 0);
	assert_int_equal(create(&root[0], "production"), HF_OK);
	restart(0);
	assert_int_equal(domains(&root[0]).n, 1);
	assert_true(slice_eq(domains(&root[0]).v[0].name, SLICE_STR("production")));
	assert_int_equal(create(&root[0], "production"), HF_E_DOMAIN_EXISTS);
	assert_int_equal(create(&root[0], ""), HF_E_ARGUMENTS);
	assert_int_equal(create(&root[0], "test"), HF_OK);
	assert_int_equal(domains(&root[0]).n, 2);
}

static void another_hsm_joins(void **state)
{
	struct domain_info_list a, b;

	(void)state;
	together();
	restart(1);
	a = domains(&root[0]);
	b = domains(&root[1]);
	assert_int_equal(b.n, 1);
	assert_true(slice_eq(a.v[0].id, b.v[0].id));
	assert_int_equal(a.v[0].members.n, 1);
	assert_int_equal(b.v[0].members.n, 1);
	assert_true(slice_eq(b.v[0].members.v[0].serial, slice_str(fact(&root[0], "serial"))));
	assert_true(slice_eq(a.v[0].members.v[0].serial, slice_str(fact(&root[1], "serial"))));
}

static void a_third_joins_through_the_second(void **state)
{
	struct slice answer;

	(void)state;
	together();
	assert_int_equal(admits(&root[1], "production", asks(&root[2]), &answer), HF_OK);
	assert_int_equal(joins(&root[2], answer), HF_OK);
	assert_true(slice_eq(domains(&root[0]).v[0].id, domains(&root[2]).v[0].id));
}

static void a_request_waits_over_a_restart(void **state)
{
	struct slice request, answer;

	(void)state;
	assert_int_equal(create(&root[0], "production"), HF_OK);
	request = asks(&root[1]);
	assert_int_equal(admits(&root[0], "production", request, &answer), HF_OK);
	restart(1);
	assert_int_equal(joins(&root[1], answer), HF_OK);
}

static void another_fingerprint_stops_both(void **state)
{
	static const uint8_t other[FINGERPRINT];
	struct domain_admit_req q = { .domain = SLICE_STR("production"), .fingerprint = SLICE_OF(other) };
	struct domain_join_req j = { .fingerprint = SLICE_OF(other) };

	(void)state;
	assert_int_equal(create(&root[0], "production"), HF_OK);
	q.request = asks(&root[1]);
	assert_int_equal(do_domain_admit(&root[0], &q, &(struct domain_admit_res){ 0 }),
		HF_E_DOMAIN_FINGERPRINT);
	q.fingerprint = SLICE_NONE;
	assert_int_equal(do_domain_admit(&root[0], &q, &(struct domain_admit_res){ 0 }),
		HF_E_DOMAIN_FINGERPRINT);
	assert_int_equal(admits(&root[0], "production", q.request, &j.answer), HF_OK);
	assert_int_equal(do_domain_join(&root[1], &j, &(struct domain_join_res){ 0 }),
		HF_E_DOMAIN_FINGERPRINT);
	assert_int_equal(domains(&root[1]).n, 0);
	assert_int_equal(joins(&root[1], j.answer), HF_OK);
}

static void each_altered_byte_is_noticed(void **state)
{
	struct slice request, answer, unused;

	(void)state;
	assert_int_equal(create(&root[0], "production"), HF_OK);
	request = asks(&root[1]);
	for (size_t i = 0; i < request.n; i += i < 80 ? 1 : 97)
		assert_int_equal(admits(&root[0], "production", altered(&root[0], request, i), &unused),
			HF_E_DOMAIN_MESSAGE);
	request.n--;
	assert_int_equal(admits(&root[0], "production", request, &unused), HF_E_DOMAIN_MESSAGE);
	request.n++;
	assert_int_equal(admits(&root[0], "production", request, &answer), HF_OK);
	for (size_t i = 0; i < answer.n; i += i < 160 ? 1 : 97)
		assert_int_equal(joins(&root[1], altered(&root[1], answer, i)), HF_E_DOMAIN_MESSAGE);
	answer.n--;
	assert_int_equal(joins(&root[1], answer), HF_E_DOMAIN_MESSAGE);
	assert_int_equal(joins(&root[1], request), HF_E_DOMAIN_MESSAGE);
	assert_int_equal(domains(&root[1]).n, 0);
}

static void an_answer_is_taken_once(void **state)
{
	struct slice answer;

	(void)state;
	assert_int_equal(create(&root[0], "production"), HF_OK);
	assert_int_equal(admits(&root[0], "production", asks(&root[1]), &answer), HF_OK);
	assert_int_equal(joins(&root[1], answer), HF_OK);
	assert_int_equal(joins(&root[1], answer), HF_E_DOMAIN_ANSWER);
	assert_int_equal(do_domain_leave(&root[1], &(struct domain_leave_req){ SLICE_STR("production") },
		&(struct domain_leave_res){ 0 }), HF_OK);
	assert_int_equal(joins(&root[1], answer), HF_E_DOMAIN_ANSWER);
	assert_int_equal(domains(&root[1]).n, 0);
}

static void a_newer_request_makes_the_old_one_void(void **state)
{
	struct slice old, answer;

	(void)state;
	assert_int_equal(create(&root[0], "production"), HF_OK);
	old = asks(&root[1]);
	(void)asks(&root[1]);
	assert_int_equal(admits(&root[0], "production", old, &answer), HF_OK);
	assert_int_equal(joins(&root[1], answer), HF_E_DOMAIN_ANSWER);
}

static void an_answer_is_for_who_asked(void **state)
{
	struct slice answer;

	(void)state;
	assert_int_equal(create(&root[0], "production"), HF_OK);
	(void)asks(&root[2]);
	assert_int_equal(admits(&root[0], "production", asks(&root[1]), &answer), HF_OK);
	assert_int_equal(joins(&root[2], answer), HF_E_DOMAIN_ANSWER);
}

static void who_is_in_no_domain_admits_nobody(void **state)
{
	struct slice answer;

	(void)state;
	assert_int_equal(create(&root[0], "production"), HF_OK);
	assert_int_equal(admits(&root[2], "production", asks(&root[1]), &answer), HF_E_DOMAIN_NONE);
	assert_int_equal(do_domain_leave(&root[0], &(struct domain_leave_req){ SLICE_STR("production") },
		&(struct domain_leave_res){ 0 }), HF_OK);
	assert_int_equal(admits(&root[0], "production", asks(&root[1]), &answer), HF_E_DOMAIN_NONE);
}

static void a_name_that_is_taken_here_is_refused(void **state)
{
	struct slice answer;

	(void)state;
	assert_int_equal(create(&root[0], "production"), HF_OK);
	assert_int_equal(create(&root[1], "production"), HF_OK);
	assert_int_equal(admits(&root[0], "production", asks(&root[1]), &answer), HF_OK);
	assert_int_equal(joins(&root[1], answer), HF_E_DOMAIN_EXISTS);
}

static void only_the_officer_makes_admits_and_leaves(void **state)
{
	struct who worker;
	struct slice answer;

	(void)state;
	together();
	who_comes(&worker, &box[0], WORKER, 3);
	assert_int_equal(create(&worker, "own"), HF_E_DENIED);
	assert_int_equal(admits(&worker, "production", asks(&root[2]), &answer), HF_E_DENIED);
	assert_int_equal(do_domain_request(&worker, &(struct domain_request_req){ 0 },
		&(struct domain_request_res){ 0 }), HF_E_DENIED);
	assert_int_equal(do_domain_leave(&worker, &(struct domain_leave_req){ SLICE_STR("production") },
		&(struct domain_leave_res){ 0 }), HF_E_DENIED);
	assert_int_equal(do_domain_list(&worker, &(struct domain_list_req){ 0 },
		&(struct domain_list_res){ 0 }), HF_E_DENIED);
	who_leaves(&worker);
}

/* Custodians are asked always before another HSM gets the key. */
static void admitting_takes_the_custodians(void **state)
{
	struct quorum_create_req q = { 2, 3, SLICE_NONE };
	struct quorum_create_res r;
	struct slice request, answer;

	(void)state;
	assert_int_equal(create(&root[0], "production"), HF_OK);
	assert_int_equal(do_quorum_create(&root[0], &q, &r), HF_OK);
	assert_int_equal(do_quorum_commit(&root[0], &(struct quorum_commit_req){ set_of(&r.shares) },
		&(struct quorum_commit_res){ 0 }), HF_OK);
	request = asks(&root[1]);
	assert_int_equal(admits(&root[0], "production", request, &answer), HF_E_QUORUM);
	for (size_t i = 0; i < 2; i++) {
		struct quorum_share_req s = { 0, r.shares.v[i].share };

		assert_int_equal(do_quorum_share(&root[0], &s, &(struct quorum_share_res){ 0 }), HF_OK);
	}
	assert_int_equal(admits(&root[0], "production", asks(&root[2]), &answer), HF_E_QUORUM);
	assert_int_equal(admits(&root[0], "production", request, &answer), HF_OK);
	assert_int_equal(joins(&root[1], answer), HF_OK);
}

/* --- of partitions -------------------------------------------------------------------------------- */

static void a_partition_gets_a_domain_from_its_officer(void **state)
{
	(void)state;
	assert_int_equal(create(&root[0], "production"), HF_OK);
	domain_is(&anna[0], "");
	assert_int_equal(assigns_by(&anna[0], "production", "not the pin"), HF_E_PIN_INCORRECT);
	assert_int_equal(assigns(&anna[0], "elsewhere"), HF_E_DOMAIN_NONE);
	domain_is(&anna[0], "");
	assert_int_equal(assigns(&anna[0], "production"), HF_OK);
	restart(0);
	domain_is(&anna[0], "production");
	assert_int_equal(domains(&root[0]).v[0].partitions, 1);
	assert_int_equal(assigns(&anna[0], ""), HF_OK);
	domain_is(&anna[0], "");
}

static void the_policy_keeps_the_domain(void **state)
{
	struct policy_value off = { 170, 0 };
	struct policy_set_req q = { .so_pin = SLICE_STR(SO_PIN), .changes = { &off, 1 } };

	(void)state;
	assert_int_equal(create(&root[0], "production"), HF_OK);
	assert_int_equal(create(&root[0], "test"), HF_OK);
	q.serial = partition(&anna[0]).serial;
	assert_int_equal(do_policy_set(&anna[0], &q, &(struct policy_set_res){ 0 }), HF_OK);
	assert_int_equal(assigns(&anna[0], "production"), HF_OK);
	assert_int_equal(assigns(&anna[0], "test"), HF_E_POLICY);
	assert_int_equal(assigns(&anna[0], ""), HF_E_POLICY);
	domain_is(&anna[0], "production");
}

static void a_domain_that_was_left_is_told_by_its_id(void **state)
{
	(void)state;
	assert_int_equal(create(&root[0], "production"), HF_OK);
	assert_int_equal(assigns(&anna[0], "production"), HF_OK);
	assert_int_equal(do_domain_leave(&root[0], &(struct domain_leave_req){ SLICE_STR("production") },
		&(struct domain_leave_res){ 0 }), HF_OK);
	assert_int_equal(partition(&anna[0]).domain.n, 32);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_domain_is_made_and_survives),
		T(another_hsm_joins),
		T(a_third_joins_through_the_second),
		T(a_request_waits_over_a_restart),
		T(another_fingerprint_stops_both),
		T(each_altered_byte_is_noticed),
		T(an_answer_is_taken_once),
		T(a_newer_request_makes_the_old_one_void),
		T(an_answer_is_for_who_asked),
		T(who_is_in_no_domain_admits_nobody),
		T(a_name_that_is_taken_here_is_refused),
		T(only_the_officer_makes_admits_and_leaves),
		T(admitting_takes_the_custodians),
		T(a_partition_gets_a_domain_from_its_officer),
		T(the_policy_keeps_the_domain),
		T(a_domain_that_was_left_is_told_by_its_id),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
