/* share_files.c: shares in files, those of backups too. */
#include "share.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "quorum_status.h"

/* A share that is there already is never overwritten. */
bool share_file_write(const char *dir, size_t i, const json_t *o)
{
	char path[4096];
	int fd;
	bool ok;

	snprintf(path, sizeof(path), "%s/share-%zu.json", dir, i + 1);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	ok = fd >= 0 && json_dumpfd(o, fd, JSON_INDENT(2)) == 0 && fsync(fd) == 0;
	if (ok)
		printf("%s\n", path);
	else
		cli_usage("%s: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	return ok;
}

/* Numbers stand behind the set's 16 bytes: which, how many are needed, of how many. */
bool cli_share_write(struct cli *c, const char *dir, size_t i, struct slice share)
{
	CLEANUP(secret_done) struct secret pass = { 0 };
	char serial[40], name[40], prompt[80];
	struct share_label l = { .whose = "a backup key", .custodian = name };
	json_t *o = NULL;
	enum hf_err e;
	bool ok;

	if (share.n < 19 || !share_hsm(c, serial, &l))
		return false;
	l.number = share.p[16];
	l.needed = share.p[17];
	l.of = share.p[18];
	snprintf(name, sizeof(name), "custodian %zu", i + 1);
	snprintf(prompt, sizeof(prompt), "Passphrase of %s", name);
	if (cli_pin_of(c, i, prompt, true, &pass) != HF_OK)
		return false;
	e = share_seal(&l, secret_slice(&pass), share, &o);
	if (e != HF_OK) {
		cli_fail("share", e);
		return false;
	}
	ok = share_file_write(dir, i, o);
	json_decref(o);
	return ok;
}

enum hf_err cli_share_read(struct cli *c, const char *path, struct secret *ret)
{
	CLEANUP(secret_done) struct secret pass = { 0 };
	json_t *o = json_load_file(path, 0, NULL);
	enum hf_err e;

	if (o == NULL) {
		cli_usage("'%s' is no share file", path);
		return HF_E_ARGUMENTS;
	}
	e = cli_pin(c, OPT_PIN_FILE, OPT_PIN_FD, "Passphrase of this share", false, &pass);
	if (e == HF_OK)
		e = share_open(o, secret_slice(&pass), ret);
	json_decref(o);
	return e;
}
