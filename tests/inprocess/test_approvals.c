/* Keys whose use others approve. */
#include "guarded.h"

static void two_approve_one_use(void **state)
{
	uint64_t number;

	(void)state;
	assert_int_equal(guard(0, "", 2, "bob,carol"), HF_OK);
	assert_int_equal(signs(&anna), HF_E_APPROVAL);
	assert_int_equal(approve(&bob, 1), HF_E_REQUEST);
	assert_int_equal(request(&anna, &number), HF_OK);
	assert_int_equal(signs(&anna), HF_E_APPROVAL);
	assert_int_equal(approve(&anna, number), HF_E_DENIED);
	assert_int_equal(approve(&bob, number), HF_OK);
	assert_int_equal(approve(&bob, number), HF_OK); /* counts once */
	assert_int_equal(signs(&anna), HF_E_APPROVAL);
	restart();
	assert_int_equal(signs(&anna), HF_E_APPROVAL);
	assert_int_equal(approve(&carol, number), HF_OK);
	assert_int_equal(signs(&bob), HF_E_APPROVAL); /* not his request */
	assert_int_equal(signs(&anna), HF_OK);
	assert_int_equal(signs(&anna), HF_E_APPROVAL);
	assert_int_equal(approve(&carol, number), HF_E_REQUEST); /* replayed */
}

static void an_older_store_gives_no_approval_back(void **state)
{
	uint64_t number;

	(void)state;
	assert_int_equal(guard(0, "", 2, "bob,carol"), HF_OK);
	assert_int_equal(request(&anna, &number), HF_OK);
	assert_int_equal(approve(&bob, number), HF_OK);
	assert_int_equal(approve(&carol, number), HF_OK);
	keeper_memory_snapshot(box.keeper);
	assert_int_equal(signs(&anna), HF_OK);
	for (int i = 0; i < 2; i++) {
		leave();
		box_stop(&box);
		if (i == 0)
			keeper_memory_rollback(box.keeper);
		assert_int_equal(box_start(&box), HF_OK);
		come();
		all_enter();
		assert_int_equal(signs(&anna), HF_E_APPROVAL);
		assert_int_equal(approve(&bob, number), HF_E_REQUEST);
	}
}

static void a_request_expires(void **state)
{
	struct guard_set_req q = { key, 0, SLICE_NONE, 1, SLICE_STR("bob"), 1, true };
	struct guard_set_res r;
	uint64_t number, again;

	(void)state;
	assert_int_equal(do_guard_set(&anna, &q, &r), HF_OK);
	assert_int_equal(request(&anna, &number), HF_OK);
	assert_int_equal(approve(&bob, number), HF_OK);
	assert_int_equal(sleep(2), 0);
	assert_int_equal(signs(&anna), HF_E_APPROVAL);
	assert_int_equal(approve(&bob, number), HF_E_REQUEST);
	assert_int_equal(request(&anna, &again), HF_OK);
	assert_true(again != number);
}

static void nobody_approves_his_own(void **state)
{
	uint64_t number;

	(void)state;
	assert_int_equal(guard(0, "", 1, "bob,carol"), HF_OK);
	assert_int_equal(request(&bob, &number), HF_OK);
	assert_int_equal(approve(&bob, number), HF_E_DENIED);
	assert_int_equal(approve(&carol, number), HF_OK);
	assert_int_equal(signs(&bob), HF_OK);
}

/* --- approvals of named data ------------------------------------------------------- */

static enum hf_err signs_by(struct who *w, const struct mech_in *m, const char *data)
{
	struct sign_init_req i = { *m, key };
	struct sign_req q = { slice_str(data), 64 };

	TRY(do_sign_init(w, &i, &(struct sign_init_res){ 0 }));
	return do_sign(w, &q, &(struct sign_res){ 0 });
}

static enum hf_err signs_what(struct who *w, const char *data)
{
	const struct mech_in cmac = { CKM_AES_CMAC, SLICE_NONE };

	return signs_by(w, &cmac, data);
}

/* waits gives the one request that waits for the key. */
static uint64_t waits(struct who *w, struct key_request *ret)
{
	struct guard_requests_req q = { 0 };
	struct guard_requests_res r;

	assert_int_equal(do_guard_requests(w, &q, &r), HF_OK);
	assert_int_equal(r.requests.n, 1);
	*ret = r.requests.v[0];
	return ret->request;
}

static void approved_by_both(uint64_t number)
{
	assert_int_equal(approve(&bob, number), HF_OK);
	assert_int_equal(approve(&carol, number), HF_OK);
}

static int setup_bound(void **state)
{
	assert_int_equal(setup(state), 0);
	any_data = false;
	assert_int_equal(guard(0, "", 2, "bob,carol"), HF_OK);
	return 0;
}

static void a_refused_use_asks_for_its_data(void **state)
{
	static const uint8_t sixteen[8] = { [7] = 16 };
	const struct mech_in general = { CKM_AES_CMAC_GENERAL, SLICE_OF(sixteen) };
	uint8_t digest[CRYPTO_HASH];
	struct key_request t;
	uint64_t number;

	(void)state;
	assert_int_equal(crypto_sha256(SLICE_STR("data"), digest), HF_OK);
	assert_int_equal(signs(&anna), HF_E_APPROVAL);
	number = waits(&bob, &t);
	assert_int_equal(t.key, key);
	assert_int_equal(t.mechanism, CKM_AES_CMAC);
	assert_true(slice_eq(t.data, SLICE_OF(digest)));
	assert_true(slice_eq(t.what, SLICE_STR("sign by CKM_AES_CMAC")));
	assert_true(slice_eq(t.requester, SLICE_STR("user")));
	assert_int_equal(signs(&anna), HF_E_APPROVAL); /* asks once */
	assert_int_equal(waits(&bob, &t), number);
	approved_by_both(number);
	restart();
	assert_int_equal(signs_what(&anna, "other data"), HF_E_APPROVAL);
	assert_int_equal(signs_by(&anna, &general, "data"), HF_E_APPROVAL);
	assert_int_equal(waits(&bob, &t), number); /* the others did not take its place */
	assert_int_equal(signs(&anna), HF_OK);
	assert_int_equal(signs(&anna), HF_E_APPROVAL); /* once */
	assert_true(waits(&bob, &t) != number);
	assert_int_equal(approve(&carol, number), HF_E_REQUEST); /* replayed */
}

static void parts_of_the_data_are_one(void **state)
{
	struct sign_init_req i = { { CKM_AES_CMAC, SLICE_NONE }, key };
	struct sign_update_req u = { SLICE_STR("da") }, v = { SLICE_STR("ta") };
	struct sign_final_req f = { 64 };
	struct key_request t;

	(void)state;
	for (int turn = 0; turn < 2; turn++) {
		assert_int_equal(do_sign_init(&anna, &i, &(struct sign_init_res){ 0 }), HF_OK);
		assert_int_equal(do_sign_update(&anna, &u, &(struct sign_update_res){ 0 }), HF_OK);
		assert_int_equal(do_sign_update(&anna, &v, &(struct sign_update_res){ 0 }), HF_OK);
		assert_int_equal(do_sign_final(&anna, &f, &(struct sign_final_res){ 0 }),
			turn == 0 ? HF_E_APPROVAL : HF_OK);
		if (turn == 0)
			approved_by_both(waits(&bob, &t));
		if (turn == 0)
			assert_int_equal(signs_what(&anna, "datadata"), HF_E_APPROVAL);
	}
}

static void the_length_costs_no_approval(void **state)
{
	struct sign_init_req i = { { CKM_AES_CMAC, SLICE_NONE }, key };
	struct sign_req length = { SLICE_STR("data"), WIRE_NO_OUTPUT }, q = { SLICE_STR("data"), 64 };
	struct key_request t;
	struct sign_res r;

	(void)state;
	assert_int_equal(signs(&anna), HF_E_APPROVAL);
	approved_by_both(waits(&bob, &t));
	assert_int_equal(do_sign_init(&anna, &i, &(struct sign_init_res){ 0 }), HF_OK);
	assert_int_equal(do_sign(&anna, &length, &r), HF_OK);
	assert_int_equal(r.need, 16);
	assert_int_equal(do_sign(&anna, &q, &r), HF_OK);
}

static void what_is_taken_out_is_named(void **state)
{
	uint64_t first, second;
	struct key_request t;

	(void)state;
	assert_int_equal(makes_key(true, &first), HF_OK);
	assert_int_equal(makes_key(true, &second), HF_OK);
	assert_int_equal(wraps(first), HF_E_APPROVAL);
	approved_by_both(waits(&bob, &t));
	assert_true(slice_eq(t.what, SLICE_STR("wrap by CKM_AES_KEY_WRAP_KWP")));
	assert_memory_equal(t.comment.p, "takes out the key ", 18);
	assert_int_equal(wraps(second), HF_E_APPROVAL);
	assert_int_equal(wraps(first), HF_OK);
	assert_int_equal(wraps(first), HF_E_APPROVAL);
}

static enum hf_err encrypts(const char *data, uint32_t max, struct slice *ret)
{
	static const uint8_t iv[4 + 16] = { 0, 0, 0, 16, 1 };
	struct encrypt_init_req i = { { CKM_AES_CBC_PAD, SLICE_OF(iv) }, key };
	struct encrypt_update_req u = { slice_str(data), 64 };
	struct encrypt_update_res ur;
	struct encrypt_final_req f = { max };
	struct encrypt_final_res fr;

	TRY(do_encrypt_init(&anna, &i, &(struct encrypt_init_res){ 0 }));
	TRY(do_encrypt_update(&anna, &u, &ur));
	assert_int_equal(ur.out.n, 0); /* nothing before it is approved */
	TRY(do_encrypt_final(&anna, &f, &fr));
	*ret = fr.out;
	return HF_OK;
}

static void nothing_is_encrypted_before_the_end(void **state)
{
	struct key_request t;
	struct slice out;

	(void)state;
	assert_int_equal(encrypts("sixteen bytes ..and more", 64, &out), HF_E_APPROVAL);
	approved_by_both(waits(&bob, &t));
	assert_int_equal(encrypts("sixteen bytes ..and less", 64, &out), HF_E_APPROVAL);
	assert_int_equal(encrypts("sixteen bytes ..and more", 64, &out), HF_OK);
	assert_int_equal(out.n, 32);
}

static void a_use_is_asked_for_ahead(void **state)
{
	uint8_t digest[CRYPTO_HASH];
	struct guard_ask_req q = { .key = key, .what = FOR_USE, .use = CKF_SIGN,
		.mech = { CKM_AES_CMAC, SLICE_NONE }, .comment = SLICE_STR("version 4.2"),
		.data = SLICE_OF(digest) };
	struct guard_ask_res r;
	struct key_request t;
	uint64_t number;

	(void)state;
	assert_int_equal(crypto_sha256(SLICE_STR("data"), digest), HF_OK);
	assert_int_equal(do_guard_ask(&anna, &q, &r), HF_OK);
	assert_int_equal(waits(&carol, &t), r.request);
	assert_true(slice_eq(t.comment, SLICE_STR("version 4.2")));
	approved_by_both(r.request);
	assert_int_equal(signs(&bob), HF_E_APPROVAL); /* not his, and no place is taken from hers */
	assert_int_equal(signs(&anna), HF_OK);
	assert_int_equal(request(&anna, &number), HF_E_ARGUMENTS); /* of any data */
	q.data = SLICE_NONE;
	assert_int_equal(do_guard_ask(&anna, &q, &r), HF_E_ARGUMENTS);
	q.data = SLICE_OF(digest);
	q.use = CKF_ENCRYPT; /* no use of that mechanism */
	assert_int_equal(do_guard_ask(&anna, &q, &r), HF_E_ARGUMENTS);
	q.use = CKF_SIGN;
	assert_int_equal(approve(&carol, 4711), HF_E_REQUEST);
	any_data = true;
	assert_int_equal(guard(0, "", 2, "bob,carol"), HF_E_APPROVAL); /* another guard */
}

static void a_bound_request_expires(void **state)
{
	struct guard_set_req q = { key, 0, SLICE_NONE, 1, SLICE_STR("bob"), 1, false };
	struct key_request t;
	uint64_t number;

	(void)state;
	assert_int_equal(makes_key(true, &key), HF_OK);
	q.key = key;
	assert_int_equal(do_guard_set(&anna, &q, &(struct guard_set_res){ 0 }), HF_OK);
	assert_int_equal(signs(&anna), HF_E_APPROVAL);
	number = waits(&bob, &t);
	assert_int_equal(approve(&carol, number), HF_E_DENIED); /* no approver */
	assert_int_equal(sleep(2), 0);
	assert_int_equal(approve(&bob, number), HF_E_REQUEST);
	assert_int_equal(signs(&anna), HF_E_APPROVAL);
}

static void its_pin_and_its_data_are_both_asked_for(void **state)
{
	struct key_request t;

	(void)state;
	assert_int_equal(makes_key(true, &key), HF_OK);
	assert_int_equal(guard(1, KEY_PIN, 2, "bob,carol"), HF_OK);
	assert_int_equal(signs(&anna), HF_E_KEY_GUARDED);
	assert_int_equal(begins(&anna), HF_OK);
	assert_int_equal(log_in(&anna, CKU_CONTEXT_SPECIFIC, KEY_PIN), HF_OK);
	assert_int_equal(ends(&anna), HF_E_APPROVAL);
	approved_by_both(waits(&bob, &t));
	assert_int_equal(signs(&anna), HF_OK);
	assert_int_equal(signs(&anna), HF_E_KEY_EXHAUSTED);
}

/* --- persons ----------------------------------------------------------------------- */

/* The officer does this in between. */
static void officer(void (*does)(void))
{
	assert_int_equal(log_out(&anna), HF_OK);
	assert_int_equal(log_in(&anna, CKU_SO, SO_PIN), HF_OK);
	does();
	assert_int_equal(log_out(&anna), HF_OK);
	assert_int_equal(log_in(&anna, CKU_USER, USER_PIN), HF_OK);
}

static void deletes_bob(void)
{
	struct user_delete_req q = { SLICE_STR("bob") };

	assert_int_equal(do_user_delete(&anna, &q, &(struct user_delete_res){ 0 }), HF_OK);
}

static void makes_bob_anew(void)
{
	deletes_bob();
	makes_user("bob", ROLE_CRYPTO_USER);
}

static void resets_bob(void)
{
	makes_user("bob", ROLE_CRYPTO_USER);
}

static void bob_returns(void)
{
	assert_int_equal(closes(&bob), HF_OK);
	enter(&bob, "bob", PIN);
}

static void an_approver_made_anew_is_none(void **state)
{
	struct guard_get_req q = { key };
	struct guard_get_res r;
	uint64_t number;

	(void)state;
	assert_int_equal(guard(0, "", 1, "bob,carol"), HF_OK);
	officer(makes_bob_anew);
	bob_returns();
	assert_int_equal(request(&anna, &number), HF_OK);
	assert_int_equal(approve(&bob, number), HF_E_DENIED);
	assert_int_equal(signs(&anna), HF_E_APPROVAL);
	assert_int_equal(do_guard_get(&anna, &q, &r), HF_OK);
	assert_true(slice_eq(r.approvers, SLICE_STR("bob (gone),carol")));
	assert_int_equal(approve(&carol, number), HF_OK);
	assert_int_equal(signs(&anna), HF_OK);
}

static void an_approver_with_the_officer_s_pin_is_none(void **state)
{
	uint64_t number;

	(void)state;
	assert_int_equal(guard(0, "", 1, "bob"), HF_OK);
	officer(resets_bob);
	bob_returns();
	assert_int_equal(request(&anna, &number), HF_OK);
	assert_int_equal(approve(&bob, number), HF_E_DENIED);
	restart();
	assert_int_equal(approve(&bob, number), HF_E_DENIED);
}

static void an_approver_who_changes_her_pin_stays_one(void **state)
{
	struct pin_set_req q = { SLICE_STR(PIN), SLICE_STR("another-of-bob") };
	uint64_t number;

	(void)state;
	assert_int_equal(guard(0, "", 1, "bob"), HF_OK);
	assert_int_equal(do_pin_set(&bob, &q, &(struct pin_set_res){ 0 }), HF_OK);
	assert_int_equal(request(&anna, &number), HF_OK);
	assert_int_equal(approve(&bob, number), HF_OK);
	assert_int_equal(signs(&anna), HF_OK);
}

static void an_approval_goes_with_the_approver(void **state)
{
	uint64_t number;

	(void)state;
	assert_int_equal(guard(0, "", 2, "bob,carol"), HF_OK);
	assert_int_equal(request(&anna, &number), HF_OK);
	assert_int_equal(approve(&bob, number), HF_OK);
	assert_int_equal(approve(&carol, number), HF_OK);
	officer(deletes_bob);
	assert_int_equal(signs(&anna), HF_E_APPROVAL);
}

static enum hf_err asks(uint8_t what, uint8_t needed, const char *approvers, uint64_t *ret)
{
	struct guard_ask_req q = { .key = key, .what = what, .comment = SLICE_STR("please"),
		.needed = needed, .approvers = slice_str(approvers), .valid_s = 3600,
		.any_data = any_data && what == FOR_GUARD };
	struct guard_ask_res r;

	TRY(do_guard_ask(&anna, &q, &r));
	*ret = r.request;
	return HF_OK;
}

static void an_approval_is_for_what_was_asked(void **state)
{
	uint64_t number;

	(void)state;
	assert_int_equal(guard(0, "", 1, "bob,carol"), HF_OK);
	assert_int_equal(request(&anna, &number), HF_OK);
	assert_int_equal(approve(&bob, number), HF_OK);
	assert_int_equal(guard(0, "", 0, ""), HF_E_APPROVAL); /* that was for a use */
	assert_int_equal(key_pin(&anna, KEY_PIN), HF_E_APPROVAL);
	assert_int_equal(asks(FOR_GUARD, 1, "carol", &number), HF_OK);
	assert_int_equal(approve(&bob, number), HF_OK);
	assert_int_equal(signs(&anna), HF_E_APPROVAL);
	assert_int_equal(guard(0, "", 1, "bob"), HF_E_APPROVAL); /* another change */
	assert_int_equal(guard(0, KEY_PIN, 1, "carol"), HF_E_APPROVAL);
	assert_int_equal(guard(0, "", 1, "carol"), HF_OK);
	assert_int_equal(asks(FOR_PIN, 0, "", &number), HF_OK);
	assert_int_equal(approve(&carol, number), HF_OK);
	assert_int_equal(key_pin(&anna, KEY_PIN), HF_OK);
}

static void requests_are_told_and_taken_back(void **state)
{
	struct guard_requests_req q = { key };
	struct guard_requests_res r;
	struct guard_cancel_req end = { .key = key };
	struct guard_cancel_res er;
	uint64_t mine, his;

	(void)state;
	assert_int_equal(guard(0, "", 1, "bob,carol"), HF_OK);
	assert_int_equal(request(&bob, &his), HF_OK);
	assert_int_equal(asks(FOR_GUARD, 1, "carol", &mine), HF_OK);
	assert_int_equal(approve(&carol, mine), HF_OK);
	assert_int_equal(do_guard_requests(&carol, &q, &r), HF_OK);
	assert_int_equal(r.requests.n, 2);
	for (size_t i = 0; i < 2; i++) {
		const struct key_request *t = &r.requests.v[i];
		bool is_mine = t->request == mine;

		assert_true(slice_eq(t->requester, slice_str(is_mine ? "user" : "bob")));
		assert_true(slice_eq(t->approved, slice_str(is_mine ? "carol" : "")));
		assert_true(slice_eq(t->comment, slice_str(is_mine ? "please" : "")));
		assert_true(slice_eq(t->what, slice_str(is_mine ?
			"guard: limit 0, 1 approvals of carol within 3600 s, each use of any data" :
			"one use")));
	}
	end.request = his;
	assert_int_equal(do_guard_cancel(&carol, &end, &er), HF_E_DENIED);
	assert_int_equal(do_guard_cancel(&bob, &end, &er), HF_OK);
	assert_int_equal(do_guard_cancel(&bob, &end, &er), HF_E_REQUEST);
	assert_int_equal(approve(&carol, his), HF_E_REQUEST);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define B(name) cmocka_unit_test_setup_teardown(name, setup_bound, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(two_approve_one_use),
		T(an_older_store_gives_no_approval_back),
		T(a_request_expires),
		B(a_refused_use_asks_for_its_data),
		B(parts_of_the_data_are_one),
		B(the_length_costs_no_approval),
		B(what_is_taken_out_is_named),
		B(nothing_is_encrypted_before_the_end),
		B(a_use_is_asked_for_ahead),
		B(a_bound_request_expires),
		B(its_pin_and_its_data_are_both_asked_for),
		T(nobody_approves_his_own),
		T(an_approver_made_anew_is_none),
		T(an_approver_with_the_officer_s_pin_is_none),
		T(an_approver_who_changes_her_pin_stays_one),
		T(an_approval_goes_with_the_approver),
		T(an_approval_is_for_what_was_asked),
		T(requests_are_told_and_taken_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
