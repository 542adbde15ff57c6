#include "runtime.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_id(const char *s)
{
	return strspn(s, "0123456789abcdef") == RUNTIME_DIGITS;
}

static bool read_id(const char *home, char out[RUNTIME_DIGITS + 1])
{
	char path[PATH_MAX];
	ssize_t n;
	int fd;

	if (snprintf(path, sizeof(path), "%s/" RUNTIME_ID, home) >= (int)sizeof(path))
		return false;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return false;
	n = read(fd, out, RUNTIME_DIGITS);
	(void)close(fd);
	out[n < 0 ? 0 : n] = '\0';
	return is_id(out);
}

bool runtime_of(const char *home, char out[PATH_MAX])
{
	const char *dir = secure_getenv("XDG_RUNTIME_DIR");
	char id[RUNTIME_DIGITS + 1];
	int n;

	if (!read_id(home, id))
		return false;
	n = dir != NULL && dir[0] == '/' ? snprintf(out, PATH_MAX, "%s/holdfast-%s", dir, id) :
		snprintf(out, PATH_MAX, "/tmp/holdfast-%u-%s", (unsigned)geteuid(), id);
	return n > 0 && n < PATH_MAX;
}

/* In /tmp nobody else can take away what is ours, but may have been there first. */
bool runtime_make(const char *path)
{
	struct stat st;

	return (mkdir(path, 0700) == 0 || errno == EEXIST) && lstat(path, &st) == 0 &&
		S_ISDIR(st.st_mode) && st.st_uid == geteuid() && (st.st_mode & 077) == 0;
}
