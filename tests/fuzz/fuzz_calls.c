/* fuzz_calls: requests to a whole vault in this process, as a logged-in client. The
 * input is a u16 opcode and the fields, as spec/gen.py seeds makes them. */
#include <stdlib.h>

#include "box.h"
#include "fuzz.h"

static struct box box;
static struct who who;
static bool begun;

static void must(enum hf_err e)
{
	if (e != HF_OK)
		abort();
}

static void finish(void)
{
	who_leaves(&who);
	box_free(&box);
}

/* get_ready makes a partition and logs its user in. */
static void get_ready(void)
{
	struct partition_create_req make = { .label = SLICE_STR("fuzz"), .so_pin = SLICE_STR(SO_PIN),
		.user_pin = SLICE_STR(USER_PIN) };
	struct partition_create_res made;
	struct session_open_res opened;
	struct login_res in;

	box_new(&box);
	who_comes(&who, &box, ADMIN, 1);
	must(do_partition_create(&who, &make, &made));
	must(do_session_open(&who, &(struct session_open_req){ made.slot, true }, &opened));
	who.session = opened.session;
	must(do_login(&who, &(struct login_req){ CKU_USER, SLICE_NONE, SLICE_STR(USER_PIN) }, &in));
	begun = true;
	atexit(finish);
}

static bool wanted(uint16_t op)
{
	/* What ends the login or takes long is not asked for again and again. */
	static const enum calls_op no[] = { CALLS_STOP, CALLS_SELF_TEST, CALLS_LOGIN, CALLS_LOGOUT,
		CALLS_PIN_SET, CALLS_PIN_INIT, CALLS_TOKEN_INIT, CALLS_PARTITION_CREATE,
		CALLS_PARTITION_DELETE, CALLS_SESSION_CLOSE, CALLS_SESSION_CLOSE_ALL,
		CALLS_PASSPHRASE_SET, CALLS_HELLO };

	for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++)
		if (no[i] == op)
			return false;
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct rd rest;

	if (!begun)
		get_ready();
	if (n < 2 || !wanted(get_u16(p)))
		return 0;
	(void)!who_asks(&who, (enum calls_op)get_u16(p), (struct slice){ p + 2, n - 2 }, &rest);
	arena_reset(&who.arena);
	return 0;
}

size_t fuzz_seed(size_t i, uint8_t *p, size_t max)
{
	(void)i;
	(void)p;
	(void)max;
	return 0;
}
