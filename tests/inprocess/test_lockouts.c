/* Every lock-out that there is, by name, against everything that should not undo it: a restart,
 * an older store, a lost anchor. One more lock-out is one more row. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "box.h"
#include "guard.h"

#define NAMED_PIN "Pin-of-named-1"
#define HSM_PIN "Pin-of-hsm-1"
#define KEY_PIN "pin-of-the-key"
#define CHALLENGE "for-applications"
#define TRIES 3 /* box.c */

static struct box box;
static struct who anna, root;
static uint64_t guarded_key;

static void come(void)
{
	who_comes(&anna, &box, OWNER, 1);
	who_comes(&root, &box, ADMIN, 9);
}

static void leave(void)
{
	who_leaves(&anna);
	who_leaves(&root);
}

/* --- the lock-outs ------------------------------------------------------------------------- */

static enum hf_err as(uint32_t user, const char *name, const char *pin)
{
	struct login_req q = { user, slice_str(name), slice_str(pin) };
	struct login_res r;
	enum hf_err e;

	opens(&anna, 0, true);
	e = do_login(&anna, &q, &r);
	assert_int_equal(closes(&anna), HF_OK);
	return e;
}

static enum hf_err officer(const char *pin)
{
	return as(CKU_SO, "", pin != NULL ? pin : SO_PIN);
}

static enum hf_err user(const char *pin)
{
	return as(CKU_USER, "", pin != NULL ? pin : USER_PIN);
}

static enum hf_err named(const char *pin)
{
	return as(CKU_USER, "signer", pin != NULL ? pin : NAMED_PIN);
}

static enum hf_err by_name_and_pin(const char *pin)
{
	char both[64];

	(void)snprintf(both, sizeof(both), "signer:%s", pin != NULL ? pin : NAMED_PIN);
	return as(CKU_USER, "", both);
}

static enum hf_err challenge(const char *pin)
{
	return as(CKU_USER, "", pin != NULL ? pin : CHALLENGE);
}

static enum hf_err change_of_pin(const char *pin)
{
	struct pin_set_req q = { slice_str(pin != NULL ? pin : USER_PIN), SLICE_STR("next-pin-1") };
	enum hf_err e;

	opens(&anna, 0, true);
	e = do_pin_set(&anna, &q, &(struct pin_set_res){ 0 });
	assert_int_equal(closes(&anna), HF_OK);
	return e;
}

static enum hf_err initialization(const char *pin)
{
	return init(&anna, 0, pin != NULL ? pin : SO_PIN);
}

static enum hf_err change_of_policy(const char *pin)
{
	struct partition_list_res l;
	struct policy_value v = { 73, 5 };

	assert_int_equal(do_partition_list(&root, &(struct partition_list_req){ 0 }, &l), HF_OK);
	struct policy_set_req q = { l.partitions.v[0].serial, slice_str(pin != NULL ? pin : SO_PIN),
		{ &v, 1 }, false };

	return do_policy_set(&root, &q, &(struct policy_set_res){ 0 });
}

static enum hf_err hsm_role(const char *role, const char *pin)
{
	struct hsm_login_req q = { slice_str(role), slice_str(pin != NULL ? pin : HSM_PIN) };
	enum hf_err e = do_hsm_login(&root, &q, &(struct hsm_login_res){ 0 });

	if (e == HF_OK)
		assert_int_equal(do_hsm_logout(&root, &(struct hsm_logout_req){ 0 },
			&(struct hsm_logout_res){ 0 }), HF_OK);
	return e;
}

static enum hf_err hsm_officer(const char *pin)
{
	return hsm_role("so", pin);
}

static enum hf_err administrator(const char *pin)
{
	return hsm_role("administrator", pin);
}

static enum hf_err auditor(const char *pin)
{
	return hsm_role("auditor", pin);
}

static enum hf_err key(const char *pin)
{
	struct guard_open_req q = { guarded_key, slice_str(pin != NULL ? pin : KEY_PIN) };
	enum hf_err e;

	opens(&anna, 0, true);
	assert_int_equal(log_in(&anna, CKU_USER, USER_PIN), HF_OK);
	e = do_guard_open(&anna, &q, &(struct guard_open_res){ 0 });
	assert_int_equal(closes(&anna), HF_OK);
	return e;
}

static const struct lock_out {
	const char *name;
	enum hf_err (*attempt)(const char *pin); /* NULL: the right one */
	unsigned tries;
} lock_outs[] = {
	{ "a partition's officer", officer, TRIES },
	{ "a partition's officer, by C_InitToken", initialization, TRIES },
	{ "a partition's officer, by a change of policies", change_of_policy, TRIES },
	{ "the crypto officer", user, TRIES },
	{ "the crypto officer, by C_SetPIN", change_of_pin, TRIES },
	{ "the crypto officer, by a challenge", challenge, TRIES },
	{ "a named user", named, TRIES },
	{ "a named user, by name:PIN", by_name_and_pin, TRIES },
	{ "the HSM's officer", hsm_officer, TRIES },
	{ "the HSM's administrator", administrator, TRIES },
	{ "the HSM's auditor", auditor, TRIES },
	{ "a key's own PIN", key, GUARD_FAILURES },
};
#define LOCK_OUTS (sizeof(lock_outs) / sizeof(lock_outs[0]))

/* --- everything that may be locked ------------------------------------------------------------ */

static void hsm_pin(const char *role)
{
	struct hsm_role_set_req q = { slice_str(role), SLICE_STR(HSM_PIN), false };

	assert_int_equal(do_hsm_role_set(&root, &q, &(struct hsm_role_set_res){ 0 }), HF_OK);
}

static void allow_activation(void)
{
	struct partition_list_res l;
	struct policy_value v = { 130, 1 };

	assert_int_equal(do_partition_list(&root, &(struct partition_list_req){ 0 }, &l), HF_OK);
	struct policy_set_req q = { l.partitions.v[0].serial, SLICE_STR(SO_PIN), { &v, 1 }, false };

	assert_int_equal(do_policy_set(&root, &q, &(struct policy_set_res){ 0 }), HF_OK);
}

static void as_officer(void)
{
	struct user_set_req u = { SLICE_STR("signer"), CALL_BY_U, SLICE_STR(NAMED_PIN), .change = false };
	struct challenge_set_req c = { SLICE_STR("user"), SLICE_STR(CHALLENGE) };

	opens(&anna, 0, true);
	assert_int_equal(log_in(&anna, CKU_SO, SO_PIN), HF_OK);
	assert_int_equal(do_user_set(&anna, &u, &(struct user_set_res){ 0 }), HF_OK);
	assert_int_equal(do_challenge_set(&anna, &c, &(struct challenge_set_res){ 0 }), HF_OK);
	assert_int_equal(closes(&anna), HF_OK);
}

static void as_user(void)
{
	static const uint8_t yes = 1, len[8] = { 0, 0, 0, 0, 0, 0, 0, 32 };
	const struct attr v[] = { { CKA_VALUE_LEN, SLICE_OF(len) }, { CKA_TOKEN, { &yes, 1 } },
		{ CKA_PRIVATE, { &yes, 1 } }, { CKA_SENSITIVE, { &yes, 1 } } };
	struct key_generate_req g = { { CKM_GENERIC_SECRET_KEY_GEN, SLICE_NONE }, { v, 4 } };
	struct key_generate_res r;
	struct guard_set_req s = { .pin = SLICE_STR(KEY_PIN) };

	opens(&anna, 0, true);
	assert_int_equal(log_in(&anna, CKU_USER, USER_PIN), HF_OK);
	assert_int_equal(do_key_generate(&anna, &g, &r), HF_OK);
	s.key = guarded_key = r.key;
	assert_int_equal(do_guard_set(&anna, &s, &(struct guard_set_res){ 0 }), HF_OK);
	assert_int_equal(do_activate(&anna, &(struct activate_req){ 0 }, &(struct activate_res){ 0 }), HF_OK);
	assert_int_equal(closes(&anna), HF_OK);
}

static int setup(void **state)
{
	(void)state;
	box_new(&box);
	come();
	ready(&anna, 0);
	allow_activation();
	as_officer();
	as_user();
	hsm_pin("auditor");
	hsm_pin("administrator");
	hsm_pin("so");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	leave();
	box_free(&box);
	return 0;
}

/* --- what should not undo it --------------------------------------------------------------------- */

static void lock(const struct lock_out *l)
{
	for (unsigned i = 0; i < l->tries; i++)
		assert_int_equal(l->attempt("wrong-one"), HF_E_PIN_INCORRECT);
	assert_int_equal(l->attempt(NULL), HF_E_PIN_LOCKED);
}

static void stop(void)
{
	leave();
	box_stop(&box);
}

static void start(void)
{
	assert_int_equal(box_start(&box), HF_OK);
	come();
}

static void each(void (*check)(const struct lock_out *l))
{
	void *state = NULL;

	for (size_t i = 0; i < LOCK_OUTS; i++) {
		print_message("             %s\n", lock_outs[i].name);
		(void)setup(&state);
		check(&lock_outs[i]);
		(void)teardown(&state);
	}
}

static void through_a_restart(const struct lock_out *l)
{
	lock(l);
	stop();
	start();
	assert_int_equal(l->attempt(NULL), HF_E_PIN_LOCKED);
}

/* Attempts before a crash count: nothing is saved for an orderly end. */
static void one_try_and_a_restart_each(const struct lock_out *l)
{
	for (unsigned i = 0; i < l->tries; i++) {
		assert_int_equal(l->attempt("wrong-one"), HF_E_PIN_INCORRECT);
		stop();
		start();
	}
	assert_int_equal(l->attempt(NULL), HF_E_PIN_LOCKED);
}

static void through_an_older_store(const struct lock_out *l)
{
	keeper_memory_snapshot(box.keeper);
	lock(l);
	stop();
	keeper_memory_rollback(box.keeper);
	start();
	assert_int_equal(l->attempt(NULL), HF_E_PIN_LOCKED);
}

static void where_the_count_cannot_be_kept(const struct lock_out *l)
{
	if (l->attempt == key) /* already its login cannot be counted */
		return;
	keeper_memory_fail_after(box.keeper, 0);
	assert_int_not_equal(l->attempt("wrong-one"), HF_E_PIN_INCORRECT);
	assert_int_not_equal(l->attempt(NULL), HF_OK);
	keeper_memory_fail_commits(box.keeper, 0);
	assert_int_equal(l->attempt(NULL), HF_OK);
}

static void a_restart_unlocks_nothing(void **state)
{
	(void)state;
	each(through_a_restart);
}

static void restarts_between_tries_unlock_nothing(void **state)
{
	(void)state;
	each(one_try_and_a_restart_each);
}

static void an_older_store_unlocks_nothing(void **state)
{
	(void)state;
	each(through_an_older_store);
}

static void no_try_without_its_count(void **state)
{
	(void)state;
	each(where_the_count_cannot_be_kept);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_restart_unlocks_nothing),
		cmocka_unit_test(restarts_between_tries_unlock_nothing),
		cmocka_unit_test(an_older_store_unlocks_nothing),
		cmocka_unit_test(no_try_without_its_count),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
