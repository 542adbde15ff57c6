#include "medium.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"

#define STORE "store.db"
#define PART "copy.part"

static bool pour(int from, int to)
{
	char some[65536];
	ssize_t n;

	while ((n = read(from, some, sizeof(some))) > 0)
		for (ssize_t at = 0, m; at < n; at += m) {
			m = write(to, some + at, (size_t)(n - at));
			if (m < 0)
				return false;
		}
	return n == 0 && fsync(to) == 0;
}

/* copy_file: the name appears when all of the content is there. */
static bool copy_file(int from, int to, const char *name)
{
	int in = openat(from, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	int out = in < 0 ? -1 :
		openat(to, PART, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	bool ok = out >= 0 && pour(in, out) && renameat(to, PART, to, name) == 0;

	if (!ok)
		log_error("the token's %s cannot be copied: %m", name);
	if (in >= 0)
		close(in);
	if (out >= 0)
		close(out);
	return ok;
}

static bool copy_files(DIR *from, int to)
{
	struct dirent *d;
	bool ok = true;

	while (ok && (d = readdir(from)) != NULL)
		if (d->d_name[0] != '.')
			ok = copy_file(dirfd(from), to, d->d_name);
	return ok;
}

static bool copy_audit(int from, int to)
{
	int in = openat(from, "audit", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = in < 0 ? NULL : fdopendir(in);
	int out = mkdirat(to, "audit", 0700) == 0 || errno == EEXIST ?
		openat(to, "audit", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	bool ok = d != NULL && out >= 0 && copy_files(d, out);

	if (d == NULL || out < 0)
		log_error("the token's audit log cannot be copied: %m");
	if (d != NULL)
		(void)closedir(d);
	else if (in >= 0)
		close(in);
	if (out >= 0)
		close(out);
	return ok;
}

/* The store comes last: where it is, the rest is too. */
bool medium_copy(const char *from, int to)
{
	int in;
	bool ok;

	if (faccessat(to, STORE, F_OK, 0) == 0)
		return true;
	in = open(from, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (in < 0) {
		log_error("%s cannot be opened: %m", from);
		return false;
	}
	ok = copy_audit(in, to) && copy_file(in, to, "anchor") && copy_file(in, to, STORE);
	close(in);
	return ok;
}
