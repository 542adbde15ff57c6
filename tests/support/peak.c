/* peak FILE PROGRAM [ARGUMENT...]: runs it, and writes to FILE how much memory it had at most, in
 * KiB. A large parent cannot ask this: what it had itself counts for its child. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <sys/resource.h>
#include <sys/wait.h>

int main(int argc, char **argv)
{
	struct rusage used;
	int status = 0;
	FILE *f;
	pid_t pid;

	if (argc < 3)
		return 2;
	pid = fork();
	if (pid == 0) {
		(void)execv(argv[2], argv + 2);
		_exit(127);
	}
	if (pid < 0 || wait4(pid, &status, 0, &used) < 0)
		return 2;
	f = fopen(argv[1], "w");
	if (f == NULL)
		return 2;
	fprintf(f, "%ld\n", used.ru_maxrss);
	(void)fclose(f);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
