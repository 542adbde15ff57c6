#include "reserve.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"

#define NAME "reserve"
#define BYTES 65536u
#define PIECE 4096u

static bool fill(int fd)
{
	static const char piece[PIECE];

	for (size_t n = 0; n < BYTES; n += PIECE)
		if (write(fd, piece, PIECE) != PIECE)
			return false;
	return fsync(fd) == 0;
}

void reserve_hold(int dir)
{
	struct stat st;
	bool ok;
	int fd;

	if (fstatat(dir, NAME, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_size == BYTES)
		return;
	fd = openat(dir, NAME, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	ok = fd >= 0 && fill(fd);
	if (!ok && errno != EROFS)
		log_warn("no room can be held back for the audit log's last records: %m");
	if (fd >= 0)
		close(fd);
	if (!ok && fd >= 0)
		(void)unlinkat(dir, NAME, 0);
}

bool reserve_release(int dir)
{
	return unlinkat(dir, NAME, 0) == 0;
}
