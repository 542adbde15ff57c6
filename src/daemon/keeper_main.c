/* keeper_main.c: the keeper's process around keeper.c. */
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "auditkeep.h"
#include "keeper.h"
#include "log.h"
#include "roles.h"
#include "sandbox.h"

/* only_one waits until the keeper before this one is dead: the kernel may still be
 * about to kill it when the monitor's lock is free already. */
static bool only_one(void)
{
	int fd = openat(FD_DATA, "keeper.lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd >= 0 && flock(fd, LOCK_EX) == 0)
		return true; /* kept until the end */
	log_error("keeper.lock in the data directory: %m");
	return false;
}

int keeper_main(const struct config *c, const struct role_flags *f)
{
	bool archive = *c->audit_archive != '\0', cursor = *c->audit_cursor != '\0';
	const int own[] = { FD_DATA, archive ? FD_ARCHIVE : -1, cursor ? FD_CURSOR : -1 };
	struct auditkeep_rules rules = { .archive = own[1], .home = own[2],
		.cursor = cursor ? strrchr(c->audit_cursor, '/') + 1 : NULL,
		.segments = c->audit_keep_files, .days = c->audit_keep_days, .bytes = c->audit_keep_bytes };
	struct keeper_ctx k;

	if (sandbox_harden() != HF_OK || !only_one())
		return 1;
	if (keeper_open(FD_DATA, c->audit_segment, &k) != HF_OK)
		return 1;
	auditlog_age(k.audit, c->audit_age);
	sandbox_only_in(own, sizeof(own) / sizeof(own[0]));
	if (sandbox_calls(SANDBOX_KEEPER) != HF_OK && !f->allow_no_seccomp)
		return EXIT_NO_SANDBOX;
	if (auditkeep_start(auditlog_dir(k.audit), &rules) != HF_OK)
		return 1;
	if (keeper_loop(&k, FD_LINK) != HF_E_CONNECTION)
		log_error("the keeper stops: out of memory");
	keeper_close(&k);
	return 0;
}
