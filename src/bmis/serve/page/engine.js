// What segments for the page: the service. `bmis serve --static` puts its own engine here.

export * from "./api.js";
