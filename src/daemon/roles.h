/* roles.h: the processes of holdfastd and the descriptors that each inherits. */
#ifndef HF_ROLES_H
#define HF_ROLES_H

#include <stdbool.h>

#include "config.h"

/* Numbers of inherited descriptors, the same in every run. */
enum {
	FD_CONFIG = 3,  /* settings, as config_write writes them */
	FD_LINK = 4,    /* socketpair between vault and keeper */
	FD_CONTROL = 5, /* vault: says ROLE_READY, hears of tamper events, a line each; end of
	                 * file: leave in order */
	FD_DATA = 6,    /* keeper: the data directory */
	FD_LISTEN = 6,  /* vault: the listening socket */
	FD_UNLOCK = 7,  /* vault: the unlock file; closed when there is none */
	FD_ARCHIVE = 7, /* keeper: where closed audit segments are copied to; closed when there is none */
	FD_CURSOR = 8,  /* keeper: the directory of audit-cursor; closed when there is none */
	FD_PASSPHRASE = 8, /* vault: the passphrase file; closed when there is none */
	FD_TPM = 9,     /* vault: the TPM; closed when there is none */
	FD_TALLY = 10,  /* vault: struct audit_tally, in memory that the monitor keeps for the next one */
	FD_LAST = FD_TALLY
};

#define ROLE_READY 'R' /* one byte: the vault serves */

struct role_flags {
	bool private_;        /* leaves when idle */
	bool allow_no_seccomp, allow_unsealed;
};

int vault_main(const struct config *c, const struct role_flags *f);
int keeper_main(const struct config *c, const struct role_flags *f);

struct instance_paths;
int monitor_main(const struct config *c, const struct role_flags *f,
	const struct instance_paths *paths);

/* Exit codes of roles besides 0 (wanted) and 1. */
enum { EXIT_USAGE = 2, EXIT_NO_SANDBOX = 4, EXIT_NO_FIPS = 5 };

#endif
