# Process 1 of an action: makes the namespaces, the private /dev and the mounts, runs the command, passes TERM to
# everything and reports how the command ended.
#
# Perl, because one process does it all and perl-base is Essential on Debian: an action that runs one `cat`
# takes 5.6 ms; with setpriv, unshare, dash, mount, cp and ip for the same it was 8.9.
# No `use strict` or `use warnings` at run time, they would cost 1.8 ms an action; a test checks both.
#
# Arguments: PARENT WORD… -- ARGV…, words as listed in `read_words`. What happened is written to descriptor 3:
# `exit N`, `signal N`, or `problem TEXT` when the command was not started; before that a line `plain FILE\0NAME\0…` for
# each output that had extended attributes, and `mounts …` where it mounted something.
# PARENT serve ARCH: one perl for many actions (zygote.ts), which spares each its start; see `serve`.

# --- System calls that perl has no name for. --------------------------------------------------------------
our (%number, $arch);
$number{x64} = { prctl => 157, unshare => 272, mount => 165, mknodat => 259, sethostname => 170, llistxattr => 195, lremovexattr => 198, pivot_root => 155, umount2 => 166, prlimit64 => 302 };
$number{$_} = { prctl => 167, unshare => 97, mount => 40, mknodat => 33, sethostname => 161, llistxattr => 12, lremovexattr => 15, pivot_root => 41, umount2 => 39, prlimit64 => 261 } for qw(arm64 riscv64);
sub call {
  my ($name, @args) = @_;
  my $nr = $name eq 'mount_setattr' ? 442 : $number{$arch}{$name};    # 442 on every architecture
  return syscall($nr, @args) != -1;
}
# Each by the call that takes it. Not by `use constant`, which would have to be loaded.
sub PR_SET_PDEATHSIG { 1 }
sub CLONE_NEWNS { 0x00020000 } sub CLONE_NEWUTS { 0x04000000 } sub CLONE_NEWIPC { 0x08000000 }
sub CLONE_NEWPID { 0x20000000 } sub CLONE_NEWNET { 0x40000000 }
sub MS_NOSUID { 2 } sub MS_NODEV { 4 } sub MS_NOEXEC { 8 }
sub MS_BIND { 0x1000 } sub MS_MOVE { 0x2000 } sub MS_REC { 0x4000 } sub MS_UNBINDABLE { 0x20000 } sub MS_PRIVATE { 0x40000 }
sub MNT_DETACH { 2 }
sub AT_FDCWD { -100 } sub AT_RECURSIVE { 0x8000 } sub MOUNT_RDONLY { 1 }
sub RLIMIT_STACK { 3 } sub RLIMIT_CORE { 4 } sub RLIMIT_NOFILE { 7 }
sub O_PATH_DIRECTORY { 0x200000 | ($arch eq 'arm64' ? 0x4000 : 0x10000) }
sub SIGKILL { 9 } sub SIGTERM { 15 }
sub EINTR { 4 }

our ($status, $termed, $killed, $stopped, $init, $first);    # $first: we are process 1
our ($mounts, $table);    # the mount table, open, and what it held before the command
our ($before, $after) = ('', '');    # what a report stands between, where several actions share the descriptor

# A line is short enough to arrive in one piece (PIPE_BUF, pipe(7)).
sub report {
  my ($text) = @_;
  $text =~ tr/\n/ / if length $after;
  syswrite $status, $before . substr($text, 0, 3000) . $after;
}

# Says why the command cannot be started, and ends.
sub fault {
  my ($what) = @_;
  report("problem $what: $!");
  report('end') if length $after && !$first;
  exit 0;
}

# Dies with whoever called us. Armed first and checked afterwards, so that no moment is left uncovered.
sub die_with_parent { call(prctl => PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) or fault("prctl") }

# --- The words that say what to set up. -------------------------------------------------------------------
our (%job, @mounts);
sub read_words {
  while (defined(my $word = shift @ARGV)) {
    if    ($word eq '--')                         { return }
    elsif ($word eq 'arch')                       { $arch = shift @ARGV }
    elsif ($word =~ /^(?:offline|tty)$/)          { $job{$word} = 1 }
    elsif ($word =~ /^(?:layers|root|cwd)$/)      { $job{$word} = shift @ARGV }
    elsif ($word eq 'place')                      { @job{qw(from place)} = splice @ARGV, 0, 2 }      # FROM TO, an entry of /
    elsif ($word =~ /^(?:emulate|plain|device)$/) { push @{$job{$word}}, shift @ARGV }               # see where each is used
    elsif ($word eq 'bind')                       { push @mounts, [bind => splice @ARGV, 0, 3] }     # FLAGS FROM TO
    elsif ($word eq 'overlay')                    { push @mounts, [overlay => splice @ARGV, 0, 2] }  # OPTIONS TO
    else                                          { $! = 22; fault("unknown word $word") }
  }
}

# --- Mounts. ----------------------------------------------------------------------------------------------
# Copies, because syscall refuses strings that are read-only.
sub mount {
  my ($from, $to, $type, $flags, $options) = @_;
  call(mount => $from, $to, $type, $flags, $options) or fault("mount $type $from on $to");
}

sub make_dirs {
  my ($path) = @_;
  return if -d $path;
  make_parent($path);
  mkdir $path or fault("mkdir $path");
}

sub make_parent {
  my ($path) = @_;
  my $parent = $path =~ s{/+[^/]+/*$}{}r;
  make_dirs($parent) if length $parent;
}

sub make_mount_point {
  my ($from, $to) = @_;
  return if -e $to;
  return make_dirs($to) if -d $from || !-e _;    # of another user's FUSE not even the kind can be told
  make_parent($to);
  open my $file, '>', $to or fault("create $to");
}

# FLAGS: `r` read-only, `R` with what is mounted below, `-` neither. mount_setattr instead of a remount: it
# leaves nosuid, nodev and noexec alone, which a user namespace may not clear.
sub bind_mount {
  my ($flags, $from, $to) = @_;
  my $all = $flags =~ /R/;
  make_mount_point($from, $to);
  mount($from, $to, 'none', MS_BIND | ($all ? MS_REC : 0), '');
  return unless $flags =~ /r/;
  my $attributes = pack 'Q4', MOUNT_RDONLY, 0, 0, 0;
  call(mount_setattr => AT_FDCWD, $to, ($all ? AT_RECURSIVE : 0), $attributes, 32) or fault("read-only $to");
}

# A /dev of its own, in the place of the host's: unmounting it shows no other, but in a user namespace, which may not take
# the host's away. Made where /proc will not be missed for a moment. Nodes are made where that is allowed, so that they can
# be removed, too; else the host's are bound.
sub private_dev {
  my $new = '/proc';
  mount('dev', $new, 'tmpfs', MS_NOSUID, 'mode=755');
  my @names = (qw(null zero full random urandom tty), $job{tty} ? 'ptmx' : ());
  for my $name (@names, map { s{^/dev/}{}r } @{$job{device} || []}) {
    my ($mode, $rdev) = (stat "/dev/$name")[2, 6];
    next unless defined $mode;
    my $node = "$new/$name";
    make_parent($node);
    next if call(mknodat => AT_FDCWD, $node, $mode, $rdev);
    bind_mount('-', "/dev/$name", $node);
  }
  symlink "/proc/self/fd$$_[1]", "$new/$$_[0]" for [fd => ''], [stdin => '/0'], [stdout => '/1'], [stderr => '/2'];
  mkdir "$new/$_" for qw(pts shm);
  mount('shm', "$new/shm", 'tmpfs', MS_NOSUID | MS_NODEV, 'mode=1777');
  # A program that asks on the terminal also looks for its name.
  if ($job{tty}) { bind_mount('-', '/dev/pts', "$new/pts") }
  else {
    mount('devpts', "$new/pts", 'devpts', MS_NOSUID | MS_NOEXEC, 'newinstance,ptmxmode=0666,mode=620');
    symlink 'pts/ptmx', "$new/ptmx";
  }
  my $old = '/dev';
  1 while call(umount2 => $old, MNT_DETACH);
  mount($new, $old, 'none', MS_MOVE, '');
}

# A /proc of the new process namespace, with the registry of foreign binaries, which mmdebstrap looks for.
sub private_proc {
  sysopen my $host, '/proc', O_PATH_DIRECTORY or fault("open /proc");
  mount('proc', '/proc', 'proc', MS_NOSUID | MS_NODEV | MS_NOEXEC, '');
  my $binfmt = '/proc/self/fd/' . fileno($host) . '/sys/fs/binfmt_misc';
  bind_mount('-', $binfmt, '/proc/sys/fs/binfmt_misc') if -e "$binfmt/register";
}

# /sys shows the interfaces of the network in which it was mounted. What else the host has mounted there stays.
sub private_sys {
  return unless -d '/sys/class/net';
  open my $table, '<', '/proc/self/mountinfo' or fault('open mountinfo');
  my @below = grep { m{^/sys/} } map { (split ' ')[4] } <$table>;
  sysopen my $host, '/sys', O_PATH_DIRECTORY or fault('open /sys');
  my ($type, $to) = ('sysfs', '/sys');
  # Where /sys has been narrowed (containers) no other one can be mounted, and the list is covered.
  call(mount => $type, $to, $type, MS_NOSUID | MS_NODEV | MS_NOEXEC, '')
    or return mount('net', '/sys/class/net', 'tmpfs', MS_NOSUID | MS_NODEV | MS_NOEXEC, 'mode=755');
  my $bound = '//';
  for my $path (@below) {
    next if index($path, "$bound/") == 0;    # came along
    my $from = '/proc/self/fd/' . fileno($host) . substr $path, length $to;
    call(mount => $from, $bound = $path, 'none', MS_BIND | MS_REC, '');
  }
}

# Lets the kernel run programs of another processor, where qemu-user is installed and not registered yet (containers).
# Registered is the open program (F), so that it need not be in the tree.
sub emulate {
  my ($cpu) = @_;
  my $dir = '/proc/sys/fs/binfmt_misc';
  my $entry = "$dir/qemu-$cpu";
  mount('binfmt_misc', $dir, 'binfmt_misc', 0, '') unless -e "$dir/register";
  if (!-e $entry) {
    my $conf = "/usr/lib/binfmt.d/qemu-$cpu.conf";
    open my $lines, '<', $conf or fault("programs for $cpu cannot run here: $conf");
    my ($line) = grep { !/^#/ } <$lines>;
    open my $register, '>', "$dir/register" or fault("programs for $cpu cannot run here: binfmt_misc");
    # Another action may have been quicker.
    syswrite $register, $line or -e $entry or fault("programs for $cpu cannot run here: $conf");
  }
  open my $known, '<', $entry or fault($entry);
  my $text = do { local $/ = undef; <$known> };
  return if $text =~ /^enabled/ && $text =~ /^flags:.*F/m;
  $! = 8;    # ENOEXEC
  fault("programs for $cpu cannot run in a tree: qemu-$cpu is registered, but off or without the flag F");
}

# What of the caller reaches programs beside the environment, and then what they make: groups, and the limits that have a
# usual value. Those that only end a program (time, memory, sizes of files) stay the caller's.
sub forget_caller {
  $( = 0;
  $) = '0 0';    # refused in a user namespace with one id
  limit(RLIMIT_STACK, 8 << 20);
  limit(RLIMIT_CORE, 0);
  limit(RLIMIT_NOFILE, 1024);
}

# Sets a soft limit, and the hard one where it is lower and may be raised.
sub limit {
  my ($resource, $soft) = @_;
  my $old = "\0" x 16;
  # Not by `call`, which has copies: this is written to.
  syscall($number{$arch}{prlimit64}, 0, $resource, 0, $old) != -1 or fault('prlimit');
  my $hard = (unpack 'Q2', $old)[1];
  for my $most ($hard < $soft ? $soft : $hard, $hard) {
    return if call(prlimit64 => 0, $resource, pack('Q2', $soft < $most ? $soft : $most, $most), 0);
  }
  fault('prlimit');
}

# The interface of this network namespace that leads nowhere else: SIOCSIFFLAGS with IFF_UP | IFF_RUNNING.
sub loopback_up {
  socket my $socket, 2, 2, 0 or fault("socket");
  my $request = pack 'a16 s x22', 'lo', 0x1 | 0x40;
  ioctl $socket, 0x8914, $request or fault("loopback");
}

# Shows a directory at a place that is the same in each run and on every machine, since programs write where they work
# into what they make. For that, the root directory becomes one of the action's own, with all that is in the old one
# mounted in it: nothing is made in the old one, and whoever may make user namespaces still may (not so after chroot).
sub show_at_place {
  my $new = '/dev/.root';
  mkdir $new or fault("mkdir $new");
  mount('root', $new, 'tmpfs', MS_NOSUID | MS_NODEV, 'mode=755');
  mount('none', $new, 'none', MS_UNBINDABLE, '');    # or it would be in the copy of /dev
  opendir my $root, '/' or fault('open /');
  for my $path (map { "/$_" } grep { !/^\.\.?$/ } readdir $root) {
    next if $path eq $job{place};
    if (-l $path) { symlink readlink $path, "$new$path" or fault("symlink $new$path") }
    else          { bind_mount('R', $path, "$new$path") }
  }
  bind_mount('R', $job{from}, "$new$job{place}");
  chdir $new or fault("chdir $new");
  # Not where our own root is a chroot, or the initramfs.
  if (call(pivot_root => '.', '.')) { call(umount2 => '.', MNT_DETACH) or fault('umount of the old /') }
  else                              { chroot '.' or fault('chroot') }
  chdir '/';
  mount('none', '/', 'none', MS_PRIVATE, '');
  rmdir '/dev/.root';
}

sub set_up {
  my $umask = umask 0;
  mount('none', '/', 'none', MS_REC | MS_PRIVATE, '');
  private_proc();
  private_dev();
  private_sys() if $job{offline};
  loopback_up() if $job{offline};
  emulate($_) for @{$job{emulate} || []};
  my $name = 'localhost';    # the machine's name is not an input
  call(sethostname => $name, length $name) or fault("sethostname");
  umask 022;
  chdir $job{layers} or fault("chdir $job{layers}") if defined $job{layers};
  for (@mounts) {
    my ($kind, @rest) = @$_;
    if ($kind eq 'bind') { bind_mount(@rest); next }
    my ($options, $to) = @rest;
    make_dirs($to);
    mount('overlay', $to, 'overlay', 0, $options);
  }
  show_at_place() if defined $job{place};
  chroot $job{root} or fault("chroot $job{root}") if defined $job{root};
  chdir $job{cwd} or fault("chdir $job{cwd}");
  # Not where a tree is run in for a probe, without a /proc.
  $table = mount_table() if open $mounts, '<', '/proc/self/mountinfo';
  forget_caller();
}

# --- The command. -----------------------------------------------------------------------------------------
sub run_command {
  sleep 1 while $stopped && !$termed;
  my $command = fork // fault("fork");
  if (!$command) {
    $SIG{$_} = 'DEFAULT' for qw(TERM USR1 INT QUIT HUP TSTP CONT);
    exit 143 if $termed;
    setpgrp 0, 0 unless $job{tty};    # a tool that signals its own group (mmdebstrap does) must not reach us
    close $status;
    # The command's variables came under other names: none of them means anything to perl, none shows in ps.
    %ENV = map { s/^\+//r => $ENV{$_} } grep { /^\+/ } keys %ENV;
    { exec { $ARGV[0] } @ARGV }
    my $why = $! + 0;
    print STDERR "$ARGV[0]: $!\n";
    exit($why == 2 ? 127 : 126);
  }
  while ((my $pid = wait) != $command) { last if $pid == -1 }
  my $ended = $?;
  my $signal = $ended & 127;
  if (!$ended && !$termed) {
    make_plain($_) for map { files_at($_) } @{$job{plain} || []};
    report_mounts();
  }
  # What was sent TERM has not succeeded, whatever it returned.
  report($termed ? 'signal ' . SIGTERM : $signal ? "signal $signal" : 'exit ' . ($ended >> 8));
}

# A path that is a directory stands for the files in it.
# Nothing where a directory on the way became a link: that would lead to somebody else's files.
sub files_at {
  my ($path) = @_;
  for (my $at = $path; $at =~ s{/[^/]*$}{};) { return if -l $at }
  return $path if -l $path || !-d $path;
  opendir my $dir, $path or return;
  return map { "$path/$_" } readdir $dir;
}

# Takes a file's extended attributes away and says which; a label of the machine's own policy is none of the file's.
# Another name of the file may be somebody's: then it is left alone, and the store makes a copy.
sub make_plain {
  my ($path) = @_;
  my $links = (lstat $path)[3];
  return unless -f _;
  my $list = "\0" x 65536;
  # Not by `call`, which has copies: this is written to.
  my $size = syscall $number{$arch}{llistxattr}, $path, $list, length $list;
  return if $size <= 0;
  my @names = grep { $_ ne 'security.selinux' } split /\0/, substr $list, 0, $size;
  return unless @names;
  for my $name ($links > 1 ? () : @names) {
    call(lremovexattr => $path, $name) or fault("remove the attribute $name of $path");
  }
  report(join("\0", "plain $path", @names) . (length $after ? '' : "\n"));
}

# Read again from the descriptor, so that nothing that the command did to /proc counts.
sub mount_table {
  my $text = '';
  sysseek $mounts, 0, 0 or fault('read mountinfo');
  1 while sysread $mounts, $text, 65536, length $text;
  return $text;
}

# What the command left mounted in its directory or took away, and what is as it was: `mounts SINCE FILLED SEEN LINE`, as left-mounted.ts has it.
sub report_mounts {
  my $now = defined $table ? mount_table() : return;
  return if $now eq $table;
  my %old = map { $_ => 1 } split /\n/, $table;
  my %new = map { $_ => 1 } split /\n/, $now;
  for my $line (sort keys %old, grep { !$old{$_} } keys %new) {
    my ($device, $point) = (split ' ', $line)[2, 4];
    $point =~ s/\\(\d{3})/chr oct $1/ge;
    next unless "$point/" =~ m{^\Q$job{cwd}\E/};
    my $what = !$old{$line} ? 'new' : $new{$line} ? 'same' : 'gone';
    my @there = opendir(my $dir, $point) ? () : 'a file';
    push @there, grep { !/^\.\.?$/ } readdir $dir unless @there;
    my $filled = @there ? 'full' : 'empty';
    my $seen = $table =~ / $device / ? 'before' : 'first';
    report("mounts $what $filled $seen $line" . (length $after ? '' : "\n"));
  }
}

# --- One action, from here on in order. -------------------------------------------------------------------
sub keep {
  my ($parent) = @_;
  read_words();
  die_with_parent();
  exit 0 if getppid != $parent;

  # Terminal keys reach the whole foreground group; the engine decides what they mean and sends TERM.
  $SIG{$_} = 'IGNORE' for qw(INT QUIT HUP);
  $SIG{TERM} = sub { $termed = 1; kill TERM => $init if $init };
  $SIG{USR1} = sub { $killed = 1; kill KILL => $init if $init };
  $SIG{TSTP} = sub { $stopped = 1; kill TSTP => $init if $init };
  $SIG{CONT} = sub { $stopped = 0; kill CONT => $init if $init };

  call(unshare => CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWIPC | ($job{offline} ? CLONE_NEWNET : 0))
    or fault("unshare");
  pipe my $alive, my $held or fault("pipe");
  $init = fork // fault("fork");
  if ($init) {
    kill TERM => $init if $termed;
    kill KILL => $init if $killed;
    kill TSTP => $init if $stopped;
    close $alive;
    close $status unless length $after;
    waitpid $init, 0;    # returns when every process in the namespace is gone
    report('end') if length $after;
    exit 0;
  }

  # Process 1. All of the namespace dies with it. Its parent held the other end of the pipe and nobody else does.
  undef $init;
  $first = 1;
  $SIG{TERM} = sub { $termed = 1; kill TERM => -1 };
  $SIG{USR1} = 'DEFAULT';
  # The kernel sees to it that no process made meanwhile escapes a signal to all.
  $SIG{TSTP} = sub { $stopped = 1; kill STOP => -1 };
  $SIG{CONT} = sub { $stopped = 0; kill CONT => -1 };
  close $held;
  die_with_parent();
  my $bits = '';
  vec($bits, fileno $alive, 1) = 1;
  exit 0 if 0 < select $bits, undef, undef, 0;    # a signal would make it -1
  set_up();
  run_command();
  exit 0;
}

# --- Many actions. ----------------------------------------------------------------------------------------
# Reads exactly that many bytes of standard input; ends when the engine has closed it.
sub read_exactly {
  my ($wanted) = @_;
  my $bytes = '';
  while (length $bytes < $wanted) {
    my $count = sysread STDIN, $bytes, $wanted - length $bytes, length $bytes;
    exit 0 if defined $count ? $count == 0 : $! != EINTR;
  }
  return $bytes;
}

# Requests: length (32 bits, little-endian), then strings between NULs: ID, log, number of variables, NAME=VALUE…,
# WORD… -- ARGV…. Reports are lines `ID REPORT`: `pid N` is the keeper, to which signals go; `end` is its last word.
sub serve {
  my ($parent) = @_;
  $arch = $ARGV[1];
  die_with_parent();
  exit 0 if getppid != $parent;
  $SIG{$_} = 'IGNORE' for qw(INT QUIT HUP TERM CHLD);
  # For the keepers, so that from their first moment on they have it.
  $SIG{TSTP} = sub { $stopped = 1 };
  $SIG{CONT} = sub { $stopped = 0 };
  my $self = $$;
  $after = "\n";
  for (;;) {
    my ($id, $log, $count, @rest) = split /\0/, read_exactly(unpack 'V', read_exactly(4)), -1;
    $before = "$id ";
    my $keeper = fork;
    if (!defined $keeper) { report("problem fork: $!"); report('end'); next }
    if ($keeper) { report("pid $keeper"); next }
    $SIG{CHLD} = 'DEFAULT';
    $SIG{TERM} = sub { $termed = 1 };
    $SIG{USR1} = sub { $killed = 1 };
    setpgrp 0, 0;
    $0 = "imagemake: $log";    # for ps
    # Reopened, they keep their descriptors: the request pipe and ours are not the action's.
    open STDIN, '<', '/dev/null' or fault("open /dev/null");
    open STDOUT, '>>', $log or fault("open $log");
    open STDERR, '>&', \*STDOUT or fault("open $log");
    %ENV = (PATH => $ENV{PATH}, LC_ALL => 'C', map { split /=/, "+$_", 2 } splice @rest, 0, $count);
    @ARGV = @rest;
    keep($self);
  }
}

# Whatever else the caller of imagemake had open is nothing of an action's.
sub close_others {
  opendir my $dir, '/proc/self/fd' or fault('opendir /proc/self/fd');
  my @open = grep { /^\d+$/ && $_ > 3 } readdir $dir;
  closedir $dir;
  for my $fd (@open) { open my $file, '<&=', $fd or next; close $file }
}

open $status, '>&=', 3 or exit 125;
close_others();
my $parent = shift @ARGV;
if ($ARGV[0] eq 'serve') { serve($parent) }
else                     { keep($parent) }
