/* Policies of partitions: kept, enforced, changed by whom they should be, and
 * destroying when they should. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "box.h"
#include "policy.h"

static struct box box;
static struct who anna, root;

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
	leave();
	box_free(&box);
	return 0;
}

static void restart(void)
{
	leave();
	box_restart(&box);
	come();
}

static struct slice serial_of(struct who *w, size_t i)
{
	struct partition_list_req q = { 0 };
	struct partition_list_res r;

	assert_int_equal(do_partition_list(w, &q, &r), HF_OK);
	assert_true(i < r.partitions.n);
	return r.partitions.v[i].serial;
}

static uint64_t value(enum policy k)
{
	struct policy_get_req q = { serial_of(&root, 0) };
	struct policy_get_res r;

	assert_int_equal(do_policy_get(&root, &q, &r), HF_OK);
	for (size_t i = 0; i < r.policies.n; i++)
		if (r.policies.v[i].number == policy_rows[k].number)
			return r.policies.v[i].value;
	fail_msg("policy %s is not told", policy_rows[k].name);
	return 0;
}

static enum hf_err set_by(struct who *w, const char *pin, enum policy k, uint64_t v, bool destroy)
{
	struct policy_value change = { policy_rows[k].number, v };
	struct policy_set_req q = { serial_of(w, 0), slice_str(pin), { &change, 1 }, destroy };
	struct policy_set_res r;

	return do_policy_set(w, &q, &r);
}

static void set(enum policy k, uint64_t v)
{
	assert_int_equal(set_by(&root, SO_PIN, k, v, true), HF_OK);
	assert_int_equal(value(k), v);
}

static void enter(void)
{
	opens(&anna, 0, true);
	assert_int_equal(log_in(&anna, CKU_USER, USER_PIN), HF_OK);
}

/* --- templates in few words ------------------------------------------------------- */

struct tmpl {
	struct attr v[16];
	uint8_t n8[16][8];
	size_t n;
};

static void num(struct tmpl *t, uint32_t cka, uint64_t v)
{
	put_u64(t->n8[t->n], v);
	t->v[t->n] = (struct attr){ cka, { t->n8[t->n], 8 } };
	t->n++;
}

static void yes(struct tmpl *t, uint32_t cka)
{
	t->n8[t->n][0] = 1;
	t->v[t->n] = (struct attr){ cka, { t->n8[t->n], 1 } };
	t->n++;
}

static struct attr_list list(const struct tmpl *t)
{
	return (struct attr_list){ t->v, t->n };
}

static enum hf_err aes(uint64_t bytes, const uint32_t *uses, size_t n, uint64_t *ret)
{
	static const uint32_t all[] = { CKA_ENCRYPT, CKA_DECRYPT, CKA_WRAP, CKA_UNWRAP, CKA_SIGN,
		CKA_VERIFY, CKA_DERIVE };
	struct tmpl t = { .n = 0 };
	struct key_generate_req q = { .mech = { CKM_AES_KEY_GEN, SLICE_NONE } };
	struct key_generate_res r;
	enum hf_err e;

	num(&t, CKA_VALUE_LEN, bytes);
	yes(&t, CKA_EXTRACTABLE);
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		yes(&t, all[i]);
		t.n8[t.n - 1][0] = 0;
		for (size_t k = 0; k < n; k++)
			t.n8[t.n - 1][0] |= uses[k] == all[i];
	}
	q.attrs = list(&t);
	e = do_key_generate(&anna, &q, &r);
	if (e == HF_OK && ret != NULL)
		*ret = r.key;
	return e;
}

static enum hf_err rsa(uint64_t bits, uint64_t *ret_pub, uint64_t *ret_priv)
{
	struct tmpl pub = { .n = 0 }, priv = { .n = 0 };
	struct key_pair_generate_req q = { .mech = { CKM_RSA_PKCS_KEY_PAIR_GEN, SLICE_NONE } };
	struct key_pair_generate_res r;
	enum hf_err e;

	num(&pub, CKA_MODULUS_BITS, bits);
	yes(&pub, CKA_ENCRYPT);
	yes(&priv, CKA_DECRYPT);
	yes(&priv, CKA_EXTRACTABLE);
	q.pub = list(&pub);
	q.priv = list(&priv);
	e = do_key_pair_generate(&anna, &q, &r);
	if (e == HF_OK && ret_pub != NULL) {
		*ret_pub = r.public_key;
		*ret_priv = r.private_key;
	}
	return e;
}

static enum hf_err ec(const char *oid, size_t n)
{
	struct tmpl pub = { .n = 0 }, priv = { .n = 0 };
	struct key_pair_generate_req q = { .mech = { CKM_EC_KEY_PAIR_GEN, SLICE_NONE } };
	struct key_pair_generate_res r;

	pub.v[pub.n++] = (struct attr){ CKA_EC_PARAMS, { (const uint8_t *)oid, n } };
	yes(&priv, CKA_SIGN);
	q.pub = list(&pub);
	q.priv = list(&priv);
	return do_key_pair_generate(&anna, &q, &r);
}
#define P256 "\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07", 10
#define P192 "\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x01", 10
#define K256 "\x06\x05\x2b\x81\x04\x00\x0a", 7

static enum hf_err import_aes(const uint32_t use)
{
	static const uint8_t key[16] = { 1 };
	struct tmpl t = { .n = 0 };
	struct object_create_req q;
	struct object_create_res r;

	num(&t, CKA_CLASS, CKO_SECRET_KEY);
	num(&t, CKA_KEY_TYPE, CKK_AES);
	t.v[t.n++] = (struct attr){ CKA_VALUE, SLICE_OF(key) };
	yes(&t, use);
	q.attrs = list(&t);
	return do_object_create(&anna, &q, &r);
}

static enum hf_err wrap(uint64_t with, uint64_t key)
{
	struct key_wrap_req q = { { CKM_AES_KEY_WRAP_KWP, SLICE_NONE }, with, key, 4096 };
	struct key_wrap_res r;

	return do_key_wrap(&anna, &q, &r);
}

static enum hf_err encrypt_init(uint32_t mechanism, uint64_t key)
{
	struct encrypt_init_req q = { { mechanism, SLICE_NONE }, key };
	struct encrypt_init_res r;

	return do_encrypt_init(&anna, &q, &r);
}

static const uint32_t crypt[] = { CKA_ENCRYPT, CKA_DECRYPT };
static const uint32_t mixed[] = { CKA_ENCRYPT, CKA_WRAP };
static const uint32_t wrapping[] = { CKA_WRAP, CKA_UNWRAP };

/* --- keeping and changing ------------------------------------------------------------ */

static void initial_values_follow_the_setting(void **state)
{
	(void)state;
	for (unsigned k = 0; k < POLICIES; k++)
		assert_int_equal(value((enum policy)k), policy_rows[k].open);
	leave();
	box_free(&box);
	box_new(&box);
	box_stop(&box);
	box.cfg.strict_partitions = true;
	assert_int_equal(box_start(&box), HF_OK);
	come();
	ready(&anna, 0);
	for (unsigned k = 0; k < POLICIES; k++)
		assert_int_equal(value((enum policy)k), policy_rows[k].strict);
}

static void policies_survive_a_restart(void **state)
{
	(void)state;
	set(POLICY_PRIVATE_WRAPPING, 0);
	set(POLICY_MIN_RSA, 3072);
	restart();
	assert_int_equal(value(POLICY_PRIVATE_WRAPPING), 0);
	assert_int_equal(value(POLICY_MIN_RSA), 3072);
	assert_int_equal(value(POLICY_MIN_EC), policy_rows[POLICY_MIN_EC].open);
}

static void changes_need_the_officers_pin(void **state)
{
	struct why_res r;

	(void)state;
	assert_int_equal(set_by(&root, "wrong", POLICY_DATES, 1, false), HF_E_PIN_INCORRECT);
	assert_int_equal(do_why(&root, &(struct why_req){ 0 }, &r), HF_OK);
	assert_int_equal(r.why.n, 0); /* a wrong PIN is all */
	assert_int_equal(set_by(&root, USER_PIN, POLICY_DATES, 1, false), HF_E_PIN_INCORRECT);
	assert_int_equal(set_by(&anna, "wrong", POLICY_DATES, 1, false), HF_E_PIN_INCORRECT);
	assert_int_equal(set_by(&anna, SO_PIN, POLICY_DATES, 1, false), HF_E_PIN_LOCKED);
	assert_int_equal(value(POLICY_DATES), 0);
}

static void some_changes_need_the_administrator_too(void **state)
{
	struct why_res r;

	(void)state;
	assert_int_equal(set_by(&anna, SO_PIN, POLICY_NON_APPROVED, 0, false), HF_E_DENIED);
	assert_int_equal(do_why(&anna, &(struct why_req){ 0 }, &r), HF_OK);
	assert_true(slice_eq(r.why, SLICE_STR("non-approved-mechanisms=1->0 "
		"needs the HSM's security officer (--as so)")));
	assert_int_equal(set_by(&root, SO_PIN, POLICY_NON_APPROVED, 0, false), HF_OK);
	assert_int_equal(set_by(&anna, SO_PIN, POLICY_NON_APPROVED, 0, false), HF_OK); /* no change */
}

static void impossible_values_change_nothing(void **state)
{
	struct policy_value two[] = { { policy_rows[POLICY_DATES].number, 1 }, { 9999, 1 } };
	struct policy_set_req q = { serial_of(&root, 0), SLICE_STR(SO_PIN), { two, 2 }, false };
	struct policy_set_res r;

	(void)state;
	assert_int_equal(do_policy_set(&root, &q, &r), HF_E_POLICY_VALUE);
	assert_int_equal(set_by(&root, SO_PIN, POLICY_DATES, 2, false), HF_E_POLICY_VALUE);
	assert_int_equal(set_by(&root, SO_PIN, POLICY_PIN_FAILURES, 0, false), HF_E_POLICY_VALUE);
	two[0] = (struct policy_value){ policy_rows[POLICY_PIN_MIN].number, 20 };
	two[1] = (struct policy_value){ policy_rows[POLICY_PIN_MAX].number, 10 };
	assert_int_equal(do_policy_set(&root, &q, &r), HF_E_POLICY_PIN_LENGTHS);
	assert_int_equal(value(POLICY_DATES), 0);
}

static void others_see_no_policies(void **state)
{
	struct policy_get_req q = { serial_of(&root, 0) };
	struct policy_get_res r;
	struct who bob;

	(void)state;
	who_comes(&bob, &box, OWNER + 1, 3);
	assert_int_equal(do_policy_get(&bob, &q, &r), HF_E_NO_PARTITION);
	who_leaves(&bob);
}

static void a_destroying_change_says_so_first(void **state)
{
	(void)state;
	set(POLICY_RAW_RSA, 0);
	enter();
	assert_int_equal(makes(&anna, "private", true), HF_OK);
	assert_int_equal(makes(&anna, "public", false), HF_OK);
	assert_int_equal(set_by(&root, SO_PIN, POLICY_RAW_RSA, 1, false), HF_E_DESTRUCTIVE);
	assert_int_equal(finds(&anna), 2);
	assert_int_equal(set_by(&root, "wrong", POLICY_RAW_RSA, 1, true), HF_E_PIN_INCORRECT);
	assert_int_equal(finds(&anna), 2);
	assert_int_equal(set_by(&root, SO_PIN, POLICY_RAW_RSA, 1, true), HF_OK);
	assert_int_equal(state_of(&anna), UINT32_MAX); /* the session ended */
	enter();
	assert_int_equal(finds(&anna), 0);
	restart();
	enter();
	assert_int_equal(finds(&anna), 0);
	assert_int_equal(value(POLICY_RAW_RSA), 1);
}

static enum hf_err opens_error(void)
{
	struct slot_list_res l;

	assert_int_equal(do_slot_list(&anna, &(struct slot_list_req){ 0 }, &l), HF_OK);
	struct session_open_req q = { .slot = l.slots.v[0].id, .rw = true };

	return do_session_open(&anna, &q, &(struct session_open_res){ 0 });
}

/* Once the sentence over the objects is on the disk nobody enters before it is carried out: a key made
 * meanwhile would be lost with them. */
static void nobody_enters_before_it_is_done(void)
{
	assert_int_equal(opens_error(), HF_E_WIPE_PENDING);
	assert_int_equal(set_by(&root, SO_PIN, POLICY_RAW_RSA, 0, false), HF_E_WIPE_PENDING);
	assert_int_equal(init(&anna, 0, SO_PIN), HF_E_WIPE_PENDING);
	restart();
	assert_int_equal(opens_error(), HF_E_WIPE_PENDING);
	keeper_memory_fail_commits(box.keeper, 0);
	enter();
	assert_int_equal(finds(&anna), 0);
	assert_int_equal(makes(&anna, "after", true), HF_OK);
	restart();
	enter();
	assert_int_equal(finds(&anna), 1);
}

static enum hf_err changes_policy(void)
{
	return set_by(&root, SO_PIN, POLICY_RAW_RSA, 1, true);
}

static enum hf_err initializes(void)
{
	return init(&anna, 0, SO_PIN);
}

/* The store refuses from one commit on, from a later one each time, until it refuses none. */
static void all_or_nothing(enum hf_err (*destroys)(void))
{
	enum hf_err e = HF_E_STORE;
	size_t objects = 0;
	bool pending = false;

	for (unsigned n = 0; e != HF_OK; n++) {
		set(POLICY_RAW_RSA, 0);
		enter();
		assert_int_equal(makes(&anna, "before", true), HF_OK);
		objects++;
		restart();
		keeper_memory_fail_after(box.keeper, n);
		e = destroys();
		pending |= e == HF_E_WIPE_PENDING;
		if (e == HF_E_WIPE_PENDING) {
			keeper_memory_fail_after(box.keeper, 0);
			nobody_enters_before_it_is_done();
			objects = 1;
		}
		keeper_memory_fail_commits(box.keeper, 0);
		if (e == HF_E_STORE) {
			assert_int_equal(value(POLICY_RAW_RSA), 0);
			restart();
			enter();
			assert_int_equal(finds(&anna), objects);
		}
		restart();
	}
	assert_true(pending);
}

static void a_destruction_is_finished_before_anything_else(void **state)
{
	(void)state;
	all_or_nothing(changes_policy);
}

static void so_is_an_initialization(void **state)
{
	(void)state;
	all_or_nothing(initializes);
}

static void the_harmless_direction_destroys_nothing(void **state)
{
	(void)state;
	enter();
	assert_int_equal(makes(&anna, "private", true), HF_OK);
	assert_int_equal(set_by(&root, SO_PIN, POLICY_RAW_RSA, 0, false), HF_OK);
	assert_int_equal(finds(&anna), 1);
}

static void tickets_end_with_the_objects(void **state)
{
	struct slice ticket;

	(void)state;
	set(POLICY_DIGEST_KEY, 0);
	opens(&anna, 0, true);
	logs_in(&anna, CKU_USER, USER_PIN, &ticket);
	set(POLICY_DIGEST_KEY, 1);
	opens(&anna, 0, true);
	assert_int_equal(resume(&anna, 0, ticket), HF_E_TICKET);
}

/* --- enforced ------------------------------------------------------------------------- */

static void wrapping_is_a_policy_of_each_class(void **state)
{
	uint64_t with, secret, pub, priv;

	(void)state;
	enter();
	assert_int_equal(aes(32, wrapping, 2, &with), HF_OK);
	assert_int_equal(aes(32, crypt, 2, &secret), HF_OK);
	assert_int_equal(rsa(2048, &pub, &priv), HF_OK);
	assert_int_equal(wrap(with, secret), HF_OK);
	assert_int_equal(wrap(with, priv), HF_OK);
	set(POLICY_PRIVATE_WRAPPING, 0);
	assert_int_equal(wrap(with, secret), HF_OK);
	assert_int_equal(wrap(with, priv), HF_E_POLICY);
	set(POLICY_SECRET_WRAPPING, 0);
	assert_int_equal(wrap(with, secret), HF_E_POLICY);
}

static void unwrapping_is_a_policy(void **state)
{
	struct tmpl t = { .n = 0 };
	struct key_wrap_req w = { { CKM_AES_KEY_WRAP_KWP, SLICE_NONE }, 0, 0, 4096 };
	struct key_wrap_res wrapped;
	struct key_unwrap_req q = { .mech = w.mech };
	struct key_unwrap_res r;

	(void)state;
	enter();
	assert_int_equal(aes(32, wrapping, 2, &w.with), HF_OK);
	assert_int_equal(aes(32, crypt, 2, &w.key), HF_OK);
	assert_int_equal(do_key_wrap(&anna, &w, &wrapped), HF_OK);
	num(&t, CKA_CLASS, CKO_SECRET_KEY);
	num(&t, CKA_KEY_TYPE, CKK_AES);
	q.with = w.with;
	q.wrapped = wrapped.out;
	q.attrs = list(&t);
	assert_int_equal(do_key_unwrap(&anna, &q, &r), HF_OK);
	set(POLICY_SECRET_UNWRAPPING, 0);
	assert_int_equal(do_key_unwrap(&anna, &q, &r), HF_E_POLICY);
}

static void one_key_one_purpose(void **state)
{
	(void)state;
	enter();
	assert_int_equal(aes(32, mixed, 2, NULL), HF_OK);
	set(POLICY_MULTIPURPOSE, 0);
	assert_int_equal(aes(32, mixed, 2, NULL), HF_E_POLICY);
	assert_int_equal(aes(32, crypt, 2, NULL), HF_OK);
}

static void attributes_of_keys_stay(void **state)
{
	struct attr label = { CKA_LABEL, SLICE_STR("new") };
	struct attr_set_req q = { 0, { &label, 1 } };
	struct attr_set_res r;

	(void)state;
	enter();
	assert_int_equal(aes(32, crypt, 2, &q.object), HF_OK);
	assert_int_equal(do_attr_set(&anna, &q, &r), HF_OK);
	set(POLICY_CHANGING_ATTRIBUTES, 0);
	assert_int_equal(do_attr_set(&anna, &q, &r), HF_E_POLICY);
}

static void keys_in_the_clear_stay_outside(void **state)
{
	(void)state;
	enter();
	assert_int_equal(import_aes(CKA_ENCRYPT), HF_OK);
	set(POLICY_KEY_IMPORT, 0);
	assert_int_equal(import_aes(CKA_ENCRYPT), HF_E_POLICY);
}

static void rsa_without_good_padding(void **state)
{
	uint64_t pub, priv;

	(void)state;
	enter();
	assert_int_equal(rsa(2048, &pub, &priv), HF_OK);
	assert_int_equal(encrypt_init(CKM_RSA_X_509, pub), HF_OK);
	set(POLICY_RAW_RSA, 0);
	assert_int_equal(do_session_close(&anna, &(struct session_close_req){ 0 },
		&(struct session_close_res){ 0 }), HF_OK);
	enter();
	assert_int_equal(rsa(2048, &pub, &priv), HF_OK);
	assert_int_equal(encrypt_init(CKM_RSA_X_509, pub), HF_E_MECHANISM_FORBIDDEN);
	set(POLICY_RSA_PKCS1_CRYPT, 0);
	assert_int_equal(encrypt_init(CKM_RSA_PKCS, pub), HF_E_MECHANISM_FORBIDDEN);
}

static void imported_keys_do_not_sign(void **state)
{
	static const uint8_t key[32] = { 1 };
	struct tmpl t = { .n = 0 };
	struct object_create_req q;
	struct object_create_res r;
	struct sign_init_req s = { .mech = { CKM_SHA256_HMAC, SLICE_NONE } };
	struct sign_init_res sr;

	(void)state;
	enter();
	num(&t, CKA_CLASS, CKO_SECRET_KEY);
	num(&t, CKA_KEY_TYPE, CKK_GENERIC_SECRET);
	t.v[t.n++] = (struct attr){ CKA_VALUE, SLICE_OF(key) };
	yes(&t, CKA_SIGN);
	q.attrs = list(&t);
	assert_int_equal(do_object_create(&anna, &q, &r), HF_OK);
	s.key = r.object;
	set(POLICY_IMPORTED_SIGNING, 0);
	assert_int_equal(do_sign_init(&anna, &s, &sr), HF_E_POLICY);
	set(POLICY_IMPORTED_SIGNING, 1);
	assert_int_equal(do_sign_init(&anna, &s, &sr), HF_OK);
}

static void sizes_and_curves(void **state)
{
	(void)state;
	enter();
	assert_int_equal(rsa(1024, NULL, NULL), HF_OK);
	set(POLICY_MIN_RSA, 2048);
	assert_int_equal(rsa(1024, NULL, NULL), HF_E_SIZE_FORBIDDEN);
	assert_int_equal(rsa(2048, NULL, NULL), HF_OK);
	set(POLICY_MIN_SECRET, 256);
	assert_int_equal(aes(16, crypt, 2, NULL), HF_E_SIZE_FORBIDDEN);
	assert_int_equal(aes(32, crypt, 2, NULL), HF_OK);
	assert_int_equal(ec(K256), HF_OK);
	assert_int_equal(ec(P192), HF_OK);
	set(POLICY_MIN_EC, 256);
	set(POLICY_CURVES, 1);
	assert_int_equal(ec(K256), HF_E_CURVE_FORBIDDEN);
	assert_int_equal(ec(P192), HF_E_SIZE_FORBIDDEN);
	assert_int_equal(ec(P256), HF_OK);
}

static void a_raised_size_stops_a_weak_key(void **state)
{
	uint64_t pub, priv;

	(void)state;
	enter();
	assert_int_equal(rsa(1024, &pub, &priv), HF_OK);
	set(POLICY_MIN_RSA, 2048);
	assert_int_equal(encrypt_init(CKM_RSA_PKCS, pub), HF_E_SIZE_FORBIDDEN);
}

static void approved_mode(void **state)
{
	uint64_t pub, priv;

	(void)state;
	set(POLICY_NON_APPROVED, 0);
	enter();
	assert_int_equal(rsa(1024, NULL, NULL), HF_E_SIZE_FORBIDDEN);
	assert_int_equal(ec(K256), HF_E_SIZE_FORBIDDEN);
	assert_int_equal(ec(P256), HF_OK);
	assert_int_equal(rsa(2048, &pub, &priv), HF_OK);
	assert_int_equal(encrypt_init(CKM_RSA_X_509, pub), HF_E_MECHANISM_FORBIDDEN);
}

static void approved_mode_derives_from_pins_by_pbkdf2(void **state)
{
	uint64_t v = box_role_version(&box);

	(void)state;
	set(POLICY_NON_APPROVED, 0);
	enter();
	assert_int_equal(box_role_version(&box), v + 1);
	box.cfg.argon2_kib *= 2; /* says nothing here */
	restart();
	enter();
	assert_int_equal(box_role_version(&box), v + 1);
	box.cfg.pbkdf2_passes *= 2;
	restart();
	enter();
	assert_int_equal(box_role_version(&box), v + 2);
}

static void sizes_of_approved_mode_go_by_date(void **state)
{
	struct strength s = { STRENGTH_RSA, 2048, 0 };

	(void)state;
	assert_true(approved_size(&s, USE_PROTECT, 20301231));
	assert_false(approved_size(&s, USE_PROTECT, 20310101));
	assert_true(approved_size(&s, USE_PROCESS, 20310101));
	s.bits = 1024;
	assert_false(approved_size(&s, USE_PROTECT, 20260101));
	assert_true(approved_size(&s, USE_VERIFY, 20260101));
	/* A signature of then may be checked, a key of then transports nothing any more. */
	assert_false(approved_size(&s, USE_PROCESS, 20260101));
	s = (struct strength){ STRENGTH_EC, 224, 1 };
	assert_true(approved_size(&s, USE_PROTECT, 20301231));
	assert_false(approved_size(&s, USE_PROTECT, 20310101));
}

static enum hf_err new_pin(const char *old, const char *new)
{
	struct pin_set_req q = { slice_str(old), slice_str(new) };
	struct pin_set_res r;

	return do_pin_set(&anna, &q, &r);
}

static void lengths_of_pins(void **state)
{
	(void)state;
	set(POLICY_PIN_MIN, 10);
	set(POLICY_PIN_MAX, 12);
	enter();
	assert_int_equal(new_pin(USER_PIN, "123456789"), HF_E_PIN_LENGTH);
	assert_int_equal(new_pin(USER_PIN, "1234567890123"), HF_E_PIN_LENGTH);
	assert_int_equal(new_pin(USER_PIN, "12345678901"), HF_OK);
}

static void fewer_failures(void **state)
{
	(void)state;
	set(POLICY_PIN_FAILURES, 1);
	opens(&anna, 0, true);
	assert_int_equal(log_in(&anna, CKU_USER, "wrong"), HF_E_PIN_INCORRECT);
	assert_int_equal(log_in(&anna, CKU_USER, USER_PIN), HF_E_PIN_LOCKED);
	assert_true((flags_of(&anna, 0) & CKF_USER_PIN_LOCKED) != 0);
}

static void an_officer_who_may_not_reset(void **state)
{
	struct pin_init_req q = { SLICE_STR("another-pin") };
	struct pin_init_res r;

	(void)state;
	set(POLICY_OFFICER_RESETS, 0);
	opens(&anna, 0, true);
	assert_int_equal(log_in(&anna, CKU_SO, SO_PIN), HF_OK);
	assert_int_equal(do_pin_init(&anna, &q, &r), HF_E_POLICY);
}

/* --- other changes of a partition ------------------------------------------------------ */

static enum hf_err edit(struct who *w, struct partition_change_req q)
{
	struct partition_change_res r;

	q.serial = serial_of(&root, 0);
	return do_partition_change(w, &q, &r);
}

static void a_partition_is_renamed(void **state)
{
	struct partition_list_req lq = { 0 };
	struct partition_list_res l;

	(void)state;
	assert_int_equal(edit(&root, (struct partition_change_req){ .what = 1 }), HF_E_LABEL);
	assert_int_equal(edit(&root, (struct partition_change_req){ .what = 1,
		.label = SLICE_STR("a\x1b[2J") }), HF_E_LABEL);
	assert_int_equal(edit(&anna, (struct partition_change_req){ .what = 1,
		.label = SLICE_STR("mine") }), HF_E_DENIED);
	assert_int_equal(edit(&root, (struct partition_change_req){ .what = 1,
		.label = SLICE_STR("other") }), HF_OK);
	restart();
	assert_int_equal(do_partition_list(&anna, &lq, &l), HF_OK);
	assert_true(slice_eq(l.partitions.v[0].label, SLICE_STR("other")));
	enter();
}

/* A ticket that outlives its client. */
static struct slice takes_ticket(uint8_t copy[512])
{
	struct slice ticket;

	opens(&anna, 0, true);
	logs_in(&anna, CKU_USER, USER_PIN, &ticket);
	assert_true(ticket.n <= 512);
	memcpy(copy, ticket.p, ticket.n);
	return (struct slice){ copy, ticket.n };
}

static void a_disabled_partition_is_shut(void **state)
{
	struct session_open_req q = { 0, true };
	struct session_open_res r;
	uint8_t copy[512];
	struct slice ticket = takes_ticket(copy);

	(void)state;
	assert_int_equal(edit(&root, (struct partition_change_req){ .what = 2 }), HF_OK);
	assert_int_equal(state_of(&anna), UINT32_MAX);
	assert_int_equal(do_session_open(&anna, &q, &r), HF_E_DISABLED);
	assert_int_equal(resume(&anna, 0, ticket), HF_E_DISABLED);
	restart();
	assert_int_equal(do_session_open(&anna, &q, &r), HF_E_DISABLED);
	assert_int_equal(edit(&root, (struct partition_change_req){ .what = 2, .enabled = true }), HF_OK);
	assert_int_equal(resume(&anna, 0, ticket), HF_E_TICKET);
	enter();
}

static void other_changes_leave_logins(void **state)
{
	uint8_t copy[512];
	struct slice ticket = takes_ticket(copy);

	(void)state;
	assert_int_equal(edit(&root, (struct partition_change_req){ .what = 2, .enabled = true }), HF_OK);
	assert_int_equal(edit(&root, (struct partition_change_req){ .what = 4, .max_objects = 2 }), HF_OK);
	restart();
	assert_int_equal(resume(&anna, 0, ticket), HF_OK);
}

static void limits_hold(void **state)
{
	(void)state;
	assert_int_equal(edit(&root, (struct partition_change_req){ .what = 4, .max_objects = 2 }), HF_OK);
	enter();
	assert_int_equal(makes(&anna, "a", true), HF_OK);
	assert_int_equal(makes(&anna, "b", true), HF_OK);
	assert_int_equal(makes(&anna, "c", true), HF_E_LIMIT);
	assert_int_equal(edit(&root, (struct partition_change_req){ .what = 4, .max_bytes = 100 }), HF_OK);
	assert_int_equal(makes(&anna, "c", true), HF_E_LIMIT);
	assert_int_equal(edit(&root, (struct partition_change_req){ .what = 4 }), HF_OK);
	assert_int_equal(makes(&anna, "c", true), HF_OK);
}

static uint64_t objects_told(void)
{
	struct partition_list_req q = { 0 };
	struct partition_list_res l;

	assert_int_equal(do_partition_list(&anna, &q, &l), HF_OK);
	return l.partitions.v[0].objects;
}

static enum hf_err makes_pair(void)
{
	static const uint8_t p256[] = { 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7 }, yes = 1;
	const struct attr pub[] = { { CKA_EC_PARAMS, SLICE_OF(p256) }, { CKA_TOKEN, { &yes, 1 } } };
	const struct attr priv[] = { { CKA_TOKEN, { &yes, 1 } }, { CKA_PRIVATE, { &yes, 1 } } };
	struct key_pair_generate_req q = { { CKM_EC_KEY_PAIR_GEN, SLICE_NONE }, { pub, 2 }, { priv, 2 } };
	struct key_pair_generate_res r;

	return do_key_pair_generate(&anna, &q, &r);
}

static void what_is_in_the_store_counts(void **state)
{
	(void)state;
	assert_int_equal(edit(&root, (struct partition_change_req){ .what = 4, .max_objects = 3 }), HF_OK);
	enter();
	assert_int_equal(makes(&anna, "a", true), HF_OK);
	assert_int_equal(makes(&anna, "b", true), HF_OK);
	assert_int_equal(makes_pair(), HF_E_LIMIT); /* it is two */
	assert_int_equal(objects_told(), 2);
	assert_int_equal(log_out(&anna), HF_OK);
	assert_int_equal(objects_told(), 2); /* nobody sees them */
	restart();
	assert_int_equal(objects_told(), 2);
	opens(&anna, 0, true);
	assert_int_equal(log_in(&anna, CKU_SO, SO_PIN), HF_OK);
	assert_int_equal(makes(&anna, "c", false), HF_OK);
	assert_int_equal(makes(&anna, "d", false), HF_E_LIMIT);
	assert_int_equal(objects_told(), 3);
}

static void other_clients(void **state)
{
	struct identity bob_only = { IDENTITY_UID, OWNER + 1 };
	struct session_open_req q = { 0, true };
	struct session_open_res r;
	struct who bob;

	(void)state;
	assert_int_equal(edit(&root, (struct partition_change_req){ .what = 8,
		.clients = { &bob_only, 1 } }), HF_OK);
	restart();
	who_comes(&bob, &box, OWNER + 1, 3);
	assert_int_equal(do_session_open(&bob, &q, &r), HF_OK);
	who_leaves(&bob);
	assert_int_equal(do_session_open(&anna, &q, &r), HF_E_SLOT);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(initial_values_follow_the_setting),
		T(policies_survive_a_restart),
		T(changes_need_the_officers_pin),
		T(some_changes_need_the_administrator_too),
		T(impossible_values_change_nothing),
		T(others_see_no_policies),
		T(a_destroying_change_says_so_first),
		T(a_destruction_is_finished_before_anything_else),
		T(so_is_an_initialization),
		T(the_harmless_direction_destroys_nothing),
		T(tickets_end_with_the_objects),
		T(wrapping_is_a_policy_of_each_class),
		T(unwrapping_is_a_policy),
		T(one_key_one_purpose),
		T(attributes_of_keys_stay),
		T(keys_in_the_clear_stay_outside),
		T(rsa_without_good_padding),
		T(imported_keys_do_not_sign),
		T(sizes_and_curves),
		T(a_raised_size_stops_a_weak_key),
		T(approved_mode),
		T(approved_mode_derives_from_pins_by_pbkdf2),
		T(sizes_of_approved_mode_go_by_date),
		T(lengths_of_pins),
		T(fewer_failures),
		T(an_officer_who_may_not_reset),
		T(a_partition_is_renamed),
		T(a_disabled_partition_is_shut),
		T(other_changes_leave_logins),
		T(limits_hold),
		T(what_is_in_the_store_counts),
		T(other_clients),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
