# Site configuration of the RT that docker-compose.yml runs, to try the relay on.
Set( $rtname,       'rt.example' );
Set( $Organization, 'rt.example' );
Set( $Timezone,     'UTC' );

# As browsers on this machine see it.
Set( $WebDomain, 'localhost' );
Set( $WebPort,   $ENV{RT_WEB_PORT} || 8080 );

# Everything RT writes stays below one directory.
$RT::VarPath         = '/var/lib/rt';
$RT::MasonDataDir    = "$RT::VarPath/mason";
$RT::MasonSessionDir = "$RT::VarPath/session";
Set( $DatabaseType,     'SQLite' );
Set( $DatabaseName,     "$RT::VarPath/rt.sqlite3" );
Set( $DatabaseUser,     '' );
Set( $DatabasePassword, '' );
Set( $LogToSyslog,      undef );
Set( $LogToSTDERR,      'warning' );

# No mail leaves: it is in *.mbox, in the same directory.
Set( $CorrespondAddress, 'rt@rt.example' );
Set( $CommentAddress,    'rt-comment@rt.example' );
Set( $MailCommand,       'mbox' );
Set( $HTMLFormatter,     'core' );

# In place of RTIR's.
require '/usr/local/share/rt/demo-lifecycles.pm';
require '/usr/local/share/rt/priorities.pm';

1;
