/** Names the version that MariaDB reports to RelStorage. */

/**
 * RelStorage takes the SQL of MySQL 8 for a server that reports 8.0 or later, and MariaDB has a part of it only: no row
 * alias in INSERT, and no FOR SHARE. With the SQL of MySQL 5.7, a database without history works.
 */
export const reportedVersion = '5.7.44-MariaDB'
