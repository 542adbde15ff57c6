/* fuzz_calls: requests to a whole vault in this process, as a logged-in client. The
 * input is a u16 opcode and the fields, as spec/gen.py seeds makes them. */
#include "fuzz.h"
#include "fuzz_box.h"

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
	struct who *who = fuzz_user();
	struct rd rest;

	if (n < 2 || !wanted(get_u16(p)))
		return 0;
	(void)!who_asks(who, (enum calls_op)get_u16(p), (struct slice){ p + 2, n - 2 }, &rest);
	arena_reset(&who->arena);
	return 0;
}

size_t fuzz_seed(size_t i, uint8_t *p, size_t max)
{
	(void)i;
	(void)p;
	(void)max;
	return 0;
}
