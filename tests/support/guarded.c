#include "guarded.h"

struct box box;
struct who anna, bob, carol;
uint64_t key;

void come(void)
{
	who_comes(&anna, &box, OWNER, 1);
	who_comes(&bob, &box, OWNER, 2);
	who_comes(&carol, &box, OWNER, 3);
}

void leave(void)
{
	who_leaves(&anna);
	who_leaves(&bob);
	who_leaves(&carol);
}

void enter(struct who *w, const char *name, const char *pin)
{
	struct login_req q = { CKU_USER, slice_str(name), slice_str(pin) };
	struct login_res r;

	opens(w, 0, true);
	assert_int_equal(do_login(w, &q, &r), HF_OK);
}

void all_enter(void)
{
	enter(&anna, "user", USER_PIN);
	enter(&bob, "bob", PIN);
	enter(&carol, "carol", PIN);
}

void makes_user(const char *name, enum role role)
{
	struct user_set_req q = { slice_str(name), (uint8_t)role, SLICE_STR(PIN), false };
	struct user_set_res r;

	assert_int_equal(do_user_set(&anna, &q, &r), HF_OK);
}

enum hf_err makes_key(bool sensitive, uint64_t *ret)
{
	static const uint8_t yes = 1;
	const uint8_t hidden = sensitive;
	const uint8_t len[8] = { 0, 0, 0, 0, 0, 0, 0, 32 };
	const struct attr v[] = {
		{ CKA_VALUE_LEN, SLICE_OF(len) }, { CKA_TOKEN, { &yes, 1 } }, { CKA_PRIVATE, { &yes, 1 } },
		{ CKA_SIGN, { &yes, 1 } }, { CKA_SENSITIVE, { &hidden, 1 } },
		{ CKA_EXTRACTABLE, { &yes, 1 } },
		{ CKA_WRAP, { &yes, 1 } }, { CKA_ENCRYPT, { &yes, 1 } },
	};
	struct key_generate_req q = { { CKM_AES_KEY_GEN, SLICE_NONE }, { v, 8 } };
	struct key_generate_res r;

	TRY(do_key_generate(&anna, &q, &r));
	*ret = r.key;
	return HF_OK;
}

int setup(void **state)
{
	(void)state;
	any_data = true;
	box_new(&box);
	come();
	ready(&anna, 0);
	opens(&anna, 0, true);
	assert_int_equal(log_in(&anna, CKU_SO, SO_PIN), HF_OK);
	makes_user("bob", ROLE_CRYPTO_USER);
	makes_user("carol", ROLE_CRYPTO_USER);
	assert_int_equal(closes(&anna), HF_OK);
	all_enter();
	assert_int_equal(makes_key(true, &key), HF_OK);
	return 0;
}

int teardown(void **state)
{
	(void)state;
	leave();
	box_free(&box);
	return 0;
}

void restart(void)
{
	leave();
	box_restart(&box);
	come();
	all_enter();
}

bool any_data; /* guard's approvals serve for any */

enum hf_err guard(uint64_t limit, const char *pin, uint8_t needed, const char *approvers)
{
	struct guard_set_req q = { key, limit, slice_str(pin), needed, slice_str(approvers), 3600, any_data };
	struct guard_set_res r;

	return do_guard_set(&anna, &q, &r);
}

enum hf_err signs(struct who *w)
{
	struct sign_init_req i = { { CKM_AES_CMAC, SLICE_NONE }, key };
	struct sign_init_res ir;
	struct sign_req q = { SLICE_STR("data"), 64 };
	struct sign_res r;

	TRY(do_sign_init(w, &i, &ir));
	return do_sign(w, &q, &r);
}

enum hf_err open_key(struct who *w, const char *pin)
{
	struct guard_open_req q = { key, slice_str(pin) };
	struct guard_open_res r;

	return do_guard_open(w, &q, &r);
}

enum hf_err key_pin(struct who *w, const char *pin)
{
	struct guard_pin_req q = { key, slice_str(pin) };
	struct guard_pin_res r;

	return do_guard_pin(w, &q, &r);
}

enum hf_err request(struct who *w, uint64_t *ret)
{
	struct guard_request_req q = { key };
	struct guard_request_res r;

	TRY(do_guard_request(w, &q, &r));
	*ret = r.request;
	return HF_OK;
}

enum hf_err approve(struct who *w, uint64_t number)
{
	struct guard_approve_req q = { key, number };
	struct guard_approve_res r;

	return do_guard_approve(w, &q, &r);
}

enum hf_err begins(struct who *w)
{
	struct sign_init_req q = { { CKM_AES_CMAC, SLICE_NONE }, key };

	return do_sign_init(w, &q, &(struct sign_init_res){ 0 });
}

enum hf_err ends(struct who *w)
{
	struct sign_req q = { SLICE_STR("data"), 64 };

	return do_sign(w, &q, &(struct sign_res){ 0 });
}

enum hf_err wraps(uint64_t what)
{
	struct key_wrap_req q = { { CKM_AES_KEY_WRAP_KWP, SLICE_NONE }, key, what, 4096 };

	return do_key_wrap(&anna, &q, &(struct key_wrap_res){ 0 });
}
