/* Unlock methods side by side: each opens by itself, none may be the last to go. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "box.h"
#include "quorum.h"
#include "unlock_record.h"

static struct box box;
static struct who root;

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

static bool locked(void)
{
	struct partition_list_req q = { 0 };
	struct partition_list_res r;

	return do_partition_list(&root, &q, &r) == HF_E_LOCKED;
}

static struct slice dealt; /* which set of shares */

static enum hf_err add(uint8_t by, const char *secret, uint8_t *ret)
{
	struct unlock_add_req q = { .by = by, .secret = slice_str(secret), .set = dealt };
	struct unlock_add_res r = { 0 };
	enum hf_err e = do_unlock_add(&root, &q, &r);

	if (ret != NULL)
		*ret = r.id;
	return e;
}

static enum hf_err drop(uint8_t id)
{
	struct unlock_remove_req q = { .id = id };
	struct unlock_remove_res r;

	return do_unlock_remove(&root, &q, &r);
}

static enum hf_err by(uint8_t kind, const char *secret)
{
	struct unlock_by_req q = { .by = kind, .method = UNLOCK_ANY, .secret = slice_str(secret) };
	struct unlock_by_res r;

	return do_unlock_by(&root, &q, &r);
}

static size_t methods(void)
{
	struct unlock_methods_req q = { 0 };
	struct unlock_methods_res r;

	assert_int_equal(do_unlock_methods(&root, &q, &r), HF_OK);
	return r.methods.n;
}

static void each_method_opens_by_itself(void **state)
{
	uint8_t one, two;

	(void)state;
	assert_int_equal(add(BY_PASSPHRASE, "first words", &one), HF_OK);
	assert_int_equal(add(BY_PASSPHRASE, "other words", &two), HF_OK);
	assert_int_not_equal(one, two);
	assert_int_equal(methods(), 3);
	assert_string_equal(fact(&root, "unlock"), "by a file beside the data (for development); or by "
		"passphrase; or by passphrase");
	restart();
	assert_false(locked()); /* by the file */
	box.attended = true;
	restart();
	assert_true(locked());
	assert_int_equal(by(BY_PASSPHRASE, "no words"), HF_E_PIN_INCORRECT);
	assert_int_equal(by(BY_PASSPHRASE, "other words"), HF_OK);
	restart();
	assert_int_equal(by(BY_PASSPHRASE, "first words"), HF_OK);
	restart();
	assert_int_equal(by(BY_FILE, ""), HF_OK);
	assert_int_equal(by(BY_FILE, ""), HF_E_STATE); /* it is open */
}

static enum hf_err by_one(uint8_t kind, uint16_t id, const char *secret)
{
	struct unlock_by_req q = { .by = kind, .method = id, .secret = slice_str(secret) };

	return do_unlock_by(&root, &q, &(struct unlock_by_res){ 0 });
}

static void one_method_is_tried_alone(void **state)
{
	uint8_t one, two;

	(void)state;
	assert_int_equal(add(BY_PASSPHRASE, "first words", &one), HF_OK);
	assert_int_equal(add(BY_PASSPHRASE, "other words", &two), HF_OK);
	box.attended = true;
	restart();
	assert_int_equal(by_one(BY_PASSPHRASE, one, "other words"), HF_E_PIN_INCORRECT);
	assert_int_equal(by_one(BY_PASSPHRASE, two, "first words"), HF_E_PIN_INCORRECT);
	assert_int_equal(by_one(BY_PASSPHRASE, 0, "first words"), HF_E_UNLOCK_METHOD); /* the file */
	assert_int_equal(by_one(BY_PASSPHRASE, 7, "first words"), HF_E_UNLOCK_METHOD);
	assert_int_equal(by_one(BY_PASSPHRASE, 256 + one, "first words"), HF_E_UNLOCK_METHOD);
	assert_true(locked());
	assert_int_equal(by_one(BY_PASSPHRASE, two, "other words"), HF_OK);
	assert_false(locked());
}

static void a_method_that_was_removed_opens_nothing(void **state)
{
	uint8_t one, two;

	(void)state;
	assert_int_equal(add(BY_PASSPHRASE, "first words", &one), HF_OK);
	assert_int_equal(add(BY_PASSPHRASE, "other words", &two), HF_OK);
	assert_int_equal(drop(one), HF_OK);
	assert_int_equal(drop(one), HF_E_UNLOCK_METHOD);
	assert_int_equal(drop(0), HF_OK); /* the file */
	assert_int_equal(lseek(box.key_fd, 0, SEEK_END), 0);
	restart();
	assert_true(locked());
	assert_int_equal(by(BY_FILE, ""), HF_E_STATE);
	assert_int_equal(by(BY_PASSPHRASE, "first words"), HF_E_PIN_INCORRECT);
	assert_int_equal(by(BY_PASSPHRASE, "other words"), HF_OK);
}

static void the_last_one_stays(void **state)
{
	(void)state;
	assert_int_equal(drop(0), HF_E_UNLOCK_LAST);
	restart();
	assert_false(locked());
}

static void there_is_room_for_eight(void **state)
{
	(void)state;
	for (size_t i = 1; i < UNLOCK_METHODS; i++)
		assert_int_equal(add(BY_PASSPHRASE, "some words", NULL), HF_OK);
	assert_int_equal(add(BY_PASSPHRASE, "some words", NULL), HF_E_LIMIT);
	assert_int_equal(methods(), UNLOCK_METHODS);
}

static void what_cannot_be_is_refused(void **state)
{
	(void)state;
	assert_int_equal(add(BY_FILE, "", NULL), HF_E_UNLOCK_TWICE);
	assert_int_equal(add(BY_TPM, "", NULL), HF_E_NO_TPM);
	assert_int_not_equal(add(BY_QUORUM, "", NULL), HF_OK); /* nobody made shares */
	assert_int_equal(add(BY_NONE, "", NULL), HF_E_ARGUMENTS);
	assert_int_equal(add(77, "", NULL), HF_E_ARGUMENTS);
	assert_int_equal(add(BY_PASSPHRASE, "x", NULL), HF_E_PIN_LENGTH);
	assert_int_equal(methods(), 1);
}

static void custodians_stand_beside_a_passphrase(void **state)
{
	struct quorum_create_req q = { 2, 2, SLICE_NONE };
	struct quorum_create_res r;
	struct quorum_share_req sq[2];
	struct quorum_share_res sr;
	uint8_t share[2][SHARE_LEN], id;

	(void)state;
	assert_int_equal(add(BY_PASSPHRASE, "some words", &id), HF_OK);
	assert_int_equal(do_quorum_create(&root, &q, &r), HF_OK);
	for (size_t i = 0; i < 2; i++) {
		memcpy(share[i], r.shares.v[i].share.p, SHARE_LEN);
		sq[i] = (struct quorum_share_req){ 0, SLICE_OF(share[i]) };
	}
	assert_int_equal(add(BY_QUORUM, "", NULL), HF_E_SET);
	dealt = set_of(&r.shares);
	assert_int_equal(add(BY_QUORUM, "", NULL), HF_OK);
	dealt = SLICE_NONE;
	assert_int_equal(drop(id), HF_E_QUORUM); /* from now on they are asked */
	box.attended = true;
	restart();
	assert_int_equal(by(BY_PASSPHRASE, "some words"), HF_OK);
	restart();
	assert_int_equal(do_quorum_share(&root, &sq[0], &sr), HF_OK);
	assert_true(locked());
	assert_int_equal(do_quorum_share(&root, &sq[1], &sr), HF_OK);
	assert_false(locked());
	assert_int_equal(drop(id), HF_E_QUORUM);
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(do_quorum_share(&root, &sq[i], &sr), HF_OK);
	assert_int_equal(drop(id), HF_OK);
}

/* --- the record --------------------------------------------------------------------- */

static uint8_t record[ROOT_RECORD_MAX];

static void a_method_slipped_in_by_somebody_else_is_told(void **state)
{
	CLEANUP(root_record_free) struct root_record *r = NULL;
	CLEANUP(buf_done) struct buf b = BUF_MAX(ROOT_RECORD_MAX);
	CLEANUP(secret_done) struct secret own = { 0 };
	struct unlock_method_record *m;

	(void)state;
	assert_int_equal(root_record_new(&r), HF_OK);
	assert_true(root_record_dec((struct slice){ record,
		keeper_memory_value(box.keeper, ROOT_NAME, record, sizeof(record)) }, r));
	assert_int_equal(root_record_add(r, BY_PASSPHRASE, &m), HF_OK);
	assert_int_equal(crypto_kem_new(m->public_key, &own), HF_OK); /* waits for the next rotation */
	root_record_enc(r, &b);
	buf_raw(&b, SLICE_OF(r->tag));
	keeper_memory_put(box.keeper, ROOT_NAME, buf_slice(&b));
	who_leaves(&root);
	box_stop(&box);
	assert_int_equal(box_start(&box), HF_E_UNLOCK_FORGED);
	keeper_memory_put(box.keeper, ROOT_NAME, SLICE_STR("nonsense"));
	assert_int_equal(box_start(&box), HF_E_DAMAGED);
	box_new(&box);
	who_comes(&root, &box, ADMIN, 9);
}

/* The root key by the file, as unlock_wrap.c opens it. */
static void open_by_file(const struct unlock_method_record *m, struct secret *key, struct secret *ret)
{
	CLEANUP(secret_done) struct secret private_ = { 0 };
	uint8_t file[CRYPTO_KEY];

	assert_int_equal(pread(box.key_fd, file, sizeof(file), 0), sizeof(file));
	assert_int_equal(crypto_derive(SLICE_OF(file), "holdfast unlock file", SLICE_NONE, key), HF_OK);
	assert_int_equal(crypto_open(secret_slice(key), SLICE_STR(ROOT_NAME), SLICE_OF(m->private_key),
		&private_), HF_OK);
	assert_int_equal(crypto_kem_unwrap(secret_slice(&private_), SLICE_STR(ROOT_NAME),
		SLICE_OF(m->wrapped), ret), HF_OK);
}

static void a_record_of_the_first_format_is_brought_up_to_date(void **state)
{
	CLEANUP(root_record_free) struct root_record *r = NULL;
	CLEANUP(buf_done) struct buf b = BUF_MAX(1024);
	CLEANUP(secret_done) struct secret key = { 0 }, old = { 0 };
	static const uint8_t salt[UNLOCK_SALT];

	(void)state;
	assert_int_equal(root_record_new(&r), HF_OK);
	assert_true(root_record_dec((struct slice){ record,
		keeper_memory_value(box.keeper, ROOT_NAME, record, sizeof(record)) }, r));
	open_by_file(&r->v[0], &key, &old);
	buf_u8(&b, 1);
	buf_u8(&b, BY_FILE);
	buf_raw(&b, SLICE_OF(salt));
	buf_u32(&b, 64);
	buf_u32(&b, 1);
	assert_int_equal(crypto_seal(secret_slice(&key), SLICE_STR(ROOT_NAME), secret_slice(&old), &b),
		HF_OK);
	keeper_memory_put(box.keeper, ROOT_NAME, buf_slice(&b));
	restart();
	assert_false(locked());
	assert_string_equal(fact(&root, "store"), "as it was left");
	assert_true(root_record_dec((struct slice){ record,
		keeper_memory_value(box.keeper, ROOT_NAME, record, sizeof(record)) }, r));
	assert_false(r->v[0].direct);
	assert_int_equal(add(BY_PASSPHRASE, "some words", NULL), HF_OK);
	restart();
	assert_false(locked());
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		T(each_method_opens_by_itself),
		T(one_method_is_tried_alone),
		T(a_method_that_was_removed_opens_nothing),
		T(the_last_one_stays),
		T(there_is_room_for_eight),
		T(what_cannot_be_is_refused),
		T(custodians_stand_beside_a_passphrase),
		T(a_method_slipped_in_by_somebody_else_is_told),
		T(a_record_of_the_first_format_is_brought_up_to_date),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
