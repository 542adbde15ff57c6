/* keeper_main.c: the keeper's process around keeper.c. */
#include <unistd.h>

#include "keeper.h"
#include "log.h"
#include "roles.h"
#include "sandbox.h"

int keeper_main(const struct config *c, const struct role_flags *f)
{
	struct keeper_ctx k;

	if (sandbox_harden() != HF_OK)
		return 1;
	if (keeper_open(FD_DATA, c->audit_segment, &k) != HF_OK)
		return 1;
	sandbox_no_files(FD_DATA);
	if (sandbox_calls(SANDBOX_KEEPER) != HF_OK && !f->allow_no_seccomp)
		return EXIT_NO_SANDBOX;
	if (keeper_loop(&k, FD_LINK) != HF_E_CONNECTION)
		log_error("the keeper stops: out of memory");
	keeper_close(&k);
	return 0;
}
