#include "fuzz_box.h"

#include <stdlib.h>

static struct box box;
static struct who who;

void must(enum hf_err e)
{
	if (e != HF_OK)
		abort();
}

static void finish(void)
{
	who_leaves(&who);
	box_free(&box);
}

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
	atexit(finish);
}

struct who *fuzz_user(void)
{
	static bool begun;

	if (!begun)
		get_ready();
	begun = true;
	return &who;
}
