#include "reserve.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define NAME "reserve"
#define BYTES 65536u
#define PIECE 4096u

static bool fill(int fd)
{
	static const char piece[PIECE];

	errno = ENOSPC; /* what a short write means */
	for (size_t n = 0; n < BYTES; n += PIECE)
		if (write(fd, piece, PIECE) != PIECE)
			return false;
	return fsync(fd) == 0;
}

bool reserve_hold(int dir)
{
	struct stat st;
	bool ok;
	int fd, saved;

	if (fstatat(dir, NAME, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_size == BYTES)
		return true;
	fd = openat(dir, NAME, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	ok = fd >= 0 && fill(fd);
	saved = errno;
	if (fd >= 0)
		close(fd);
	if (!ok && fd >= 0)
		(void)unlinkat(dir, NAME, 0);
	errno = saved;
	return ok;
}

/* Some file systems count nothing, and say that they have no blocks at all. */
bool reserve_needed(int dir)
{
	struct statvfs s;

	return fstatvfs(dir, &s) == 0 && s.f_blocks > 0 && s.f_bavail * s.f_frsize < BYTES;
}

bool reserve_release(int dir)
{
	return unlinkat(dir, NAME, 0) == 0;
}
