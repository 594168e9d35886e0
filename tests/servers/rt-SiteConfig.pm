# Site configuration of the throw-away RT that `rt` starts. What varies comes
# from the environment, so one file serves every instance.
use utf8;
use Cwd ();
use File::Basename ();

my $dir = $ENV{RELAY_LAB_RT_DIR} or die "RELAY_LAB_RT_DIR is not set";
open my $web_file, '<', "$dir/web" or die "$dir/web: $!";
chomp( my $web = <$web_file> );
my ( $web_domain, $web_port ) = split /:/, $web;

Set( $rtname,       'rt.example' );
Set( $Organization, 'rt.example' );
Set( $Timezone,     'UTC' );
Set( $WebDomain,    $web_domain );
Set( $WebPort,      $web_port );
Set( $WebPath,      '' );

# Everything RT writes stays below $dir.
$RT::VarPath         = $dir;
$RT::MasonDataDir    = "$dir/mason";
$RT::MasonSessionDir = "$dir/session";
if ( open my $postgresql, '<', "$dir/postgresql.port" ) {
    chomp( my $port = <$postgresql> );
    Set( $DatabaseType,     'Pg' );
    Set( $DatabaseHost,     '127.0.0.1' );
    Set( $DatabasePort,     $port );
    Set( $DatabaseName,     'rt5' );
    Set( $DatabaseUser,     'rt_user' );
    Set( $DatabasePassword, 'rt_pass' );
    Set( $DatabaseAdmin,    'postgres' );
}
else {
    Set( $DatabaseType,     'SQLite' );
    Set( $DatabaseName,     "$dir/rt.sqlite3" );
    Set( $DatabaseUser,     '' );
    Set( $DatabasePassword, '' );
}

Set( $LogToSyslog,    undef );
Set( $LogToSTDERR,    'error' );
Set( $LogToFile,      'info' );
Set( $LogDir,         "$dir/log" );
Set( $LogToFileNamed, 'rt.log' );

# No mail leaves the machine: all of it is appended to one mbox.
Set( $CorrespondAddress, 'rt@rt.example' );
Set( $CommentAddress,    'rt-comment@rt.example' );
Set( $MailCommand, sub {
    my $mail = shift->stringify;
    $mail =~ s/^(>*From )/>$1/mg;
    open my $mbox, '>>', "$dir/mail/rt.mbox" or return 0;
    flock $mbox, 2;
    print {$mbox} 'From rt@rt.example ' . gmtime() . "\n$mail\n";
    return close $mbox;
} );

# Mails come out the same on every machine, whatever converters it has.
Set( $HTMLFormatter, 'core' );

# RT checks a password or token with bcrypt on every request. Its default cost
# of 12 takes 0.2 s of processor time; tests do not need that.
Set( $BcryptCost, $ENV{RELAY_LAB_BCRYPT} || 4 );

# In place of RTIR's.
my $deploy = File::Basename::dirname( Cwd::abs_path(__FILE__) ) . '/../../deploy/rt';
require "$deploy/demo-lifecycles.pm";

# The queue of a test's scene has RT's own lifecycle, which is like that of RTIR's reports:
# initialdata.pl lets a service user see every queue with one of RTIR's.
my %lifecycles = RT->Config->Get('Lifecycles');
my $maps       = $lifecycles{__maps__};
$maps->{'default -> investigations'}
    = { %{ $maps->{'incident_reports -> investigations'} }, stalled => 'open', deleted => 'resolved' };
$maps->{'investigations -> default'} = $maps->{'investigations -> incident_reports'};

require "$deploy/priorities.pm";

1;
