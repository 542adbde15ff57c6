/* Digests of data that the library makes by itself, as long as the vault lets it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "fake_vault.h"
#include "pkcs11_numbers.h"
#include "stubs.h"

#define A_MINUTE 60000u /* ms: longer than any of these tests */

static const uint8_t abc[] = {
	0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40, 0xde, 0x5d, 0xae, 0x22, 0x23,
	0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17, 0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad,
};

static struct fake_vault vault;
static struct client *client;
static struct arena arena;
static uint64_t session;

static enum hf_err begin(uint32_t mechanism)
{
	struct digest_init_req q = { .mech = { .type = mechanism } };
	struct digest_init_res r;

	return do_digest_init(client, session, &q, &r, &arena);
}

static enum hf_err digest(uint32_t max, struct transfer_out *ret)
{
	static uint8_t room[64];
	const struct slice data = SLICE_STR("abc");
	uint8_t tail[4];
	struct transfer t = { CALLS_DIGEST, session, &data, SLICE_OF(tail) };

	put_u32(tail, max);
	*ret = (struct transfer_out){ .p = room, .room = sizeof(room) };
	return client_transfer(client, &t, ret);
}

static enum hf_err part(void)
{
	struct digest_update_req q = { .data = SLICE_STR("abc") };
	struct digest_update_res r;

	return do_digest_update(client, session, &q, &r, &arena);
}

static bool is_abc(const struct transfer_out *o)
{
	return o->need == sizeof(abc) && slice_eq((struct slice){ o->p, o->n }, SLICE_OF(abc));
}

static void assert_log(const char *wanted)
{
	assert_string_equal(vault.log, wanted);
	fake_log_clear(&vault);
}

/* lent: the vault has digested once, and said for how long it need not. */
static int lent(uint32_t ms)
{
	struct client_options o = {
		.program = "test", .wait_ms = 300, .connect = fake_connect, .connect_ctx = &vault,
	};
	struct transfer_out out;

	fake_start(&vault);
	vault.lease = ms;
	vault.pairs = true;
	assert_int_equal(client_open(&o, &client), HF_OK);
	assert_int_equal(client_session_open(client, 3, true, &session), HF_OK);
	assert_int_equal(begin(CKM_SHA256), HF_OK);
	assert_int_equal(digest(64, &out), HF_OK);
	assert_false(is_abc(&out)); /* the fake one has an answer of its own */
	fake_log_clear(&vault);
	return 0;
}

static int set_up(void **state)
{
	(void)state;
	return lent(A_MINUTE);
}

static int set_up_unlent(void **state)
{
	(void)state;
	return lent(0);
}

static int set_up_short(void **state)
{
	int r = lent(1);

	(void)state;
	(void)usleep(5000);
	return r;
}

static int tear_down(void **state)
{
	(void)state;
	client_close(client);
	arena_done(&arena);
	return vault.links == 0 ? 0 : -1;
}

static void a_lent_digest_is_made_without_the_vault(void **state)
{
	struct transfer_out out;

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(begin(CKM_SHA256), HF_OK);
		assert_int_equal(digest(64, &out), HF_OK);
		assert_true(is_abc(&out));
	}
	assert_log("");
	assert_int_equal(digest(64, &out), HF_E_OP_NONE);
}

static void what_is_not_lent_goes_to_the_vault(void **state)
{
	struct transfer_out out;

	(void)state;
	assert_int_equal(begin(CKM_SHA256), HF_OK);
	assert_int_equal(digest(64, &out), HF_OK);
	assert_false(is_abc(&out));
	assert_log("digest_init digest ");
}

static void a_lease_that_is_over_is_asked_for_again(void **state)
{
	struct transfer_out out;

	(void)state;
	vault.lease = A_MINUTE;
	assert_int_equal(begin(CKM_SHA256), HF_OK);
	assert_log("digest_init ");
	assert_int_equal(digest(64, &out), HF_OK);
	fake_log_clear(&vault);
	assert_int_equal(begin(CKM_SHA256), HF_OK);
	assert_int_equal(digest(64, &out), HF_OK);
	assert_true(is_abc(&out));
	assert_log("");
}

static void another_mechanism_is_asked_for(void **state)
{
	struct transfer_out out;

	(void)state;
	assert_int_equal(begin(CKM_SHA384), HF_OK);
	assert_int_equal(digest(64, &out), HF_OK);
	assert_log("digest_init digest ");
}

static void one_that_the_library_lacks_stays_in_the_vault(void **state)
{
	struct transfer_out out;

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(begin(CKM_MD5), HF_OK);
		assert_int_equal(digest(64, &out), HF_OK);
		assert_false(is_abc(&out));
	}
}

static void parts_go_to_the_vault(void **state)
{
	struct transfer_out out;

	(void)state;
	assert_int_equal(begin(CKM_SHA256), HF_OK);
	assert_log("");
	assert_int_equal(part(), HF_OK);
	assert_log("digest_init digest_update ");
	assert_int_equal(digest(64, &out), HF_OK); /* this vault forgives */
	assert_log("digest ");
}

static void too_small_a_buffer_leaves_it_as_it_was(void **state)
{
	struct transfer_out out;

	(void)state;
	assert_int_equal(begin(CKM_SHA256), HF_OK);
	assert_int_equal(digest(WIRE_NO_OUTPUT, &out), HF_OK);
	assert_int_equal(out.need, sizeof(abc));
	assert_int_equal(digest(sizeof(abc) - 1, &out), HF_OK);
	assert_int_equal(out.need, sizeof(abc));
	assert_int_equal(out.n, 0);
	assert_int_equal(digest(sizeof(abc), &out), HF_OK);
	assert_true(is_abc(&out));
}

static void a_login_ends_the_lease(void **state)
{
	(void)state;
	assert_int_equal(client_login(client, session, 1, SLICE_NONE, SLICE_STR("1234")), HF_OK);
	fake_log_clear(&vault);
	assert_int_equal(begin(CKM_SHA256), HF_OK);
	assert_log("digest_init ");
}

#define WITH(begins, name) cmocka_unit_test_setup_teardown(name, begins, tear_down)
#define T(name) WITH(set_up, name)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_lent_digest_is_made_without_the_vault),
		WITH(set_up_unlent, what_is_not_lent_goes_to_the_vault),
		WITH(set_up_short, a_lease_that_is_over_is_asked_for_again),
		T(another_mechanism_is_asked_for),
		T(one_that_the_library_lacks_stays_in_the_vault),
		T(parts_go_to_the_vault),
		T(too_small_a_buffer_leaves_it_as_it_was),
		T(a_login_ends_the_lease),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
